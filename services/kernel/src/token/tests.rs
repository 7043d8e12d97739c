use super::{PeriodKeys, TokenKey, TokenRule};
use crate::plan::TokensPlan;

/// 2020-01-31, 2020-02-01 and 2021-02-01.
const JANUARY: i64 = 1_580_428_800_000;
const FEBRUARY: i64 = 1_580_515_200_000;
const NEXT_YEAR: i64 = 1_612_137_600_000;

fn rule(period: &str, hash: &str) -> Result<TokenRule, String> {
    TokenRule::compile(&TokensPlan { period: period.to_owned(), hash: hash.to_owned() })
}

fn token(period: &str, hash: &str, key: &[u8], at_ms: i64) -> String {
    let mut keys = PeriodKeys::default();
    keys.make_room(1);
    let made = rule(period, hash).ok().and_then(|rule| {
        let token = keys.at(0, &TokenKey::new(key), rule, at_ms)?.token(b"110105194912310021");
        String::from_utf8(token.to_vec()).ok()
    });
    made.unwrap_or_default()
}

#[test]
fn a_token_holds_for_its_period_and_no_longer() {
    for (period, same, other) in [
        ("day", JANUARY + 86_399_999, FEBRUARY),
        ("month", JANUARY - 86_400_000, FEBRUARY),
        ("quarter", FEBRUARY, NEXT_YEAR),
        ("year", FEBRUARY, NEXT_YEAR),
    ] {
        let first = token(period, "sha-256", b"k", JANUARY);
        assert_eq!(first, token(period, "sha-256", b"k", same), "{period}");
        assert_ne!(first, token(period, "sha-256", b"k", other), "{period}");
    }
    assert_eq!(token("always", "sha-256", b"k", JANUARY), token("always", "sha-256", b"k", NEXT_YEAR));
}

#[test]
fn key_hash_and_kind_of_period_each_give_other_tokens() {
    let mut tokens: Vec<String> = ["always", "day", "month", "quarter", "year"]
        .iter()
        .flat_map(|period| {
            [("sha-256", b"k"), ("sm3", b"k"), ("sha-256", b"l"), ("sm3", b"l")]
                .map(|(hash, key)| token(period, hash, key, JANUARY))
        })
        .collect();
    assert!(tokens.iter().all(|token| token.len() == 32));
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 20);
}

#[test]
fn periods_may_come_back_and_another_key_is_seen_once_the_old_is_forgotten() {
    let mut keys = PeriodKeys::default();
    keys.make_room(1);
    let Ok(rule) = rule("month", "sha-256") else { unreachable!() };
    let at = |keys: &mut PeriodKeys, key: &[u8], at_ms| {
        keys.at(0, &TokenKey::new(key), rule, at_ms).map(|key| key.token(b"x"))
    };
    let first = at(&mut keys, b"k", JANUARY);
    assert_ne!(first, at(&mut keys, b"k", FEBRUARY));
    assert_eq!(first, at(&mut keys, b"k", JANUARY));
    keys.forget(0);
    assert_ne!(first, at(&mut keys, b"l", JANUARY));
    assert!(keys.at(7, &TokenKey::new(b"k"), rule, JANUARY).is_none());
}

#[test]
fn unknown_periods_and_hashes_are_refused() {
    assert_eq!(rule("week", "sha-256").err().as_deref(), Some("tokens: the period `week` is unknown"));
    assert_eq!(rule("day", "md5").err().as_deref(), Some("tokens: the hash `md5` is unknown"));
}
