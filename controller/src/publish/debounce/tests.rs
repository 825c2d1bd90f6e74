use std::net::SocketAddr;

use routetable::{EndpointSet, EndpointSetId};

use super::*;

/// A table with one endpoint set.
fn table(endpoints: &[(&str, EndpointState)]) -> Arc<Compiled> {
    let id = EndpointSetId::new("default", "chat", "80");
    let endpoint = |(address, state): &(&str, EndpointState)| Endpoint {
        address: address.parse::<SocketAddr>().unwrap(),
        state: *state,
    };
    let set = EndpointSet {
        id,
        namespace: "default".into(),
        service: "chat".into(),
        port: "80".into(),
        endpoints: endpoints.iter().map(endpoint).collect(),
    };
    let mut compiled = Compiled::default();
    compiled.table.endpoint_sets.insert(id, Arc::new(set));
    Arc::new(compiled)
}

use EndpointState::{Draining, NotReady, Ready};

const ONE: &str = "10.0.0.1:80";
const TWO: &str = "10.0.0.2:80";

struct Stage {
    compiled: watch::Sender<Option<Arc<Compiled>>>,
    published: watch::Receiver<Option<Arc<Published>>>,
    start: Instant,
}

impl Stage {
    fn new() -> Self {
        let (compiled, receiver) = watch::channel(None);
        let (sender, published) = watch::channel(None);
        tokio::spawn(debounce(receiver, 7, Pace::default(), sender));
        Self {
            compiled,
            published,
            start: Instant::now(),
        }
    }

    fn compile(&mut self, compiled: Arc<Compiled>) {
        self.start = Instant::now();
        self.compiled.send_replace(Some(compiled));
    }

    /// The next version and how long it took.
    async fn next(&mut self) -> (Arc<Published>, Duration) {
        self.published.changed().await.unwrap();
        let published = self.published.borrow_and_update().clone().unwrap();
        (published, self.start.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_table_goes_out_at_once_and_versions_count_up() {
    let mut stage = Stage::new();
    stage.compile(table(&[(ONE, Ready)]));
    let (first, took) = stage.next().await;
    assert_eq!(first.version, Version { epoch: 7, number: 1 });
    assert_eq!(took, Duration::ZERO);
    stage.compile(table(&[(ONE, Ready), (TWO, Ready)]));
    let (second, took) = stage.next().await;
    assert_eq!(second.version.number, 2);
    assert_eq!(took, Duration::from_millis(30));
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_one_version_after_a_quarter_of_a_second_at_most() {
    let mut stage = Stage::new();
    stage.compile(table(&[]));
    stage.next().await;
    stage.start = Instant::now();
    for count in 1..=100_u8 {
        let addresses: Vec<String> = (1..=count).map(|n| format!("10.0.0.{n}:80")).collect();
        let endpoints: Vec<(&str, EndpointState)> = addresses.iter().map(|a| (a.as_str(), Ready)).collect();
        stage.compiled.send_replace(Some(table(&endpoints)));
        tokio::time::sleep(Duration::from_millis(20)).await;
        if stage.published.has_changed().unwrap() {
            break;
        }
    }
    let (version, took) = stage.next().await;
    assert_eq!(version.version.number, 2);
    assert!(
        (Duration::from_millis(250)..=Duration::from_millis(280)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_equal_table_is_no_version() {
    let mut stage = Stage::new();
    stage.compile(table(&[(ONE, Ready)]));
    stage.next().await;
    stage.compile(table(&[(ONE, Ready)]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!stage.published.has_changed().unwrap());
    // Nor is a change that is taken back before it went out.
    stage.compile(table(&[(ONE, Ready), (TWO, Ready)]));
    tokio::time::sleep(Duration::from_millis(10)).await;
    stage.compile(table(&[(ONE, Ready)]));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!stage.published.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_goes_is_not_waited_for() {
    for gone in [
        vec![(ONE, Ready)],
        vec![(ONE, Ready), (TWO, Draining)],
        vec![(ONE, Ready), (TWO, NotReady)],
    ] {
        let mut stage = Stage::new();
        stage.compile(table(&[(ONE, Ready), (TWO, Ready)]));
        stage.next().await;
        stage.compile(table(&gone));
        let (_, took) = stage.next().await;
        assert_eq!(took, Duration::ZERO, "{gone:?}");
    }
    // In the middle of a wait it ends the wait.
    let mut stage = Stage::new();
    stage.compile(table(&[(ONE, Ready)]));
    stage.next().await;
    stage.compile(table(&[(ONE, Ready), (TWO, Ready)]));
    tokio::time::sleep(Duration::from_millis(10)).await;
    stage.compiled.send_replace(Some(table(&[(TWO, Ready)])));
    let (version, took) = stage.next().await;
    assert_eq!(took, Duration::from_millis(10));
    assert_eq!(
        version
            .table()
            .endpoint_sets
            .values()
            .next()
            .unwrap()
            .endpoints
            .len(),
        1
    );
}
