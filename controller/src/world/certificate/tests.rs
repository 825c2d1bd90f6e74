use super::*;

fn pair(names: &[&str]) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = rcgen::CertificateParams::new(names)
        .unwrap()
        .self_signed(&key)
        .unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_short_life_is_late_later() {
    const DAY: i64 = 24 * 3600;
    let days = |days: i64| Validity {
        not_before: DAY,
        not_after: DAY + days * DAY,
    };
    assert_eq!(days(90).is_late_at(), DAY + 83 * DAY);
    assert_eq!(days(6).is_late_at(), DAY + 6 * DAY * 3 / 4);
    // Nonsense ends no process.
    assert_eq!(days(-3).is_late_at(), days(-3).not_after);
    let endless = Validity {
        not_before: i64::MIN,
        not_after: i64::MAX,
    };
    assert_eq!(endless.is_late_at(), i64::MAX - WEEK);
}

#[test]
fn a_pair_that_belongs_together_is_read() {
    let (chain, key) = pair(&["a.example.com", "*.B.example.com"]);
    let (other, _) = pair(&["ca.example.com"]);
    let read = Certificate::read(format!("{chain}{other}").as_bytes(), key.as_bytes()).unwrap();
    assert_eq!(read.chain.len(), 2);
    assert!(read.covers("a.example.com") && read.covers("x.b.example.com"));
    assert!(!read.covers("b.example.com"));
    assert!(format!("{read:?}").contains("redacted"));
}

#[test]
fn what_does_not_fit_is_told_and_shows_no_key() {
    let (chain, key) = pair(&["a.example.com"]);
    let (_, other) = pair(&["a.example.com"]);
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nYQ==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let damaged = "-----BEGIN PRIVATE KEY-----\nYQ==\n-----END PRIVATE KEY-----\n";
    for (chain, key, expected) in [
        (
            &*chain,
            &*other,
            "'tls.key' does not belong to the first certificate of its 'tls.crt'",
        ),
        (&chain, "none", "'tls.key' holds no private key in PEM form"),
        (&chain, &chain, "'tls.key' holds no private key in PEM form"),
        (&chain, encrypted, "'tls.key' is encrypted"),
        (
            &chain,
            damaged,
            "'tls.key' must hold an RSA, ECDSA or Ed25519 key",
        ),
        ("none", &key, "'tls.crt' must hold a certificate in PEM form"),
        (
            "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n",
            &key,
            "'tls.crt' must hold an X.509 certificate; its first one is damaged",
        ),
    ] {
        let broken = Certificate::read(chain.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(broken.to_string().contains(expected), "{broken}");
    }
    let many = chain.repeat(MAX_CHAIN + 1);
    let broken = Certificate::read(many.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(
        broken
            .to_string()
            .contains("must not hold more than 64 certificates"),
        "{broken}"
    );
}

#[test]
fn authorities_are_all_of_them() {
    let (one, _) = pair(&["one"]);
    let (two, _) = pair(&["two"]);
    assert_eq!(authorities(format!("{one}{two}").as_bytes()).unwrap().len(), 2);
    let broken = authorities(b"-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n").unwrap_err();
    assert!(
        broken
            .to_string()
            .contains("'ca.crt' must hold X.509 certificates; number 1"),
        "{broken}"
    );
}
