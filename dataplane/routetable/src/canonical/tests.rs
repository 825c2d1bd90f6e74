use proptest::prelude::*;

use super::*;
use crate::testing;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_diff_leads_from_one_table_to_the_other(a in testing::tables(), b in testing::tables()) {
        let ops = a.diff(&b);
        let mut table = a.clone();
        for op in &ops {
            table.apply(std::slice::from_ref(op));
            prop_assert_eq!(table.dangling(), vec![], "after {:?}", op);
        }
        prop_assert_eq!(&table, &b);
        prop_assert_eq!(b.diff(&b), vec![]);
        prop_assert_eq!(ops.is_empty(), a == b);
    }

    #[test]
    fn digests_tell_tables_apart(a in testing::tables(), b in testing::tables()) {
        prop_assert_eq!(a == b, a.digest() == b.digest());
    }

    #[test]
    fn a_digest_follows_its_table(a in testing::tables(), b in testing::tables()) {
        prop_assert_eq!(a.digest().follow(&a, &b), b.digest());
    }

    #[test]
    fn a_tracked_digest_is_the_digest(
        a in testing::tables(),
        b in testing::tables(),
        twice in any::<bool>(),
    ) {
        let mut tracked = Tracked::from(a.clone());
        let mut ops = a.diff(&b);
        if twice {
            // Putting the same and removing what is absent change nothing.
            ops.extend(ops.clone());
        }
        let undo = tracked.apply(&ops);
        prop_assert_eq!(tracked.table(), &b);
        prop_assert_eq!(tracked.digest(), b.digest());
        tracked.apply(&undo);
        prop_assert_eq!(tracked, Tracked::from(a));
    }
}

#[test]
fn an_unresolved_reference_is_found() {
    let mut table = RouteTable::default();
    let of = crate::RouteMatch::path(crate::PathMatch::Prefix(String::new()));
    let mut route = testing::route("a", crate::HostPattern::Any, of);
    let endpoint_set = EndpointSetId(7);
    route.backends = vec![crate::WeightedBackend {
        endpoint_set,
        weight: 1,
        protocol: crate::BackendProtocol::default(),
    }];
    table.routes.insert(route.id, Arc::new(route.clone()));
    let lacking = ResourceId::EndpointSet(endpoint_set);
    assert_eq!(table.dangling(), [(ResourceId::Route(route.id), lacking)]);
    table.routes.remove(&route.id);

    let host = crate::HostPattern::Any;
    let (id, certificate) = (ServerNameId::new(&host), CertificateId(3));
    let name = ServerName {
        id,
        host,
        certificates: vec![certificate],
        min_version: crate::TlsVersion::V12,
        client: None,
    };
    table.server_names.insert(id, Arc::new(name));
    let lacking = ResourceId::Certificate(certificate);
    assert_eq!(table.dangling(), [(ResourceId::ServerName(id), lacking)]);
}
