use super::{Hash, Leaves, MOST_ENTRIES, Of, Tree, digest, node, tag};
use crate::random::Random;

const OF: Of = Of { lane: 0, feed: 0, slice: 0, mode: 0 };

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The head of RFC 6962 as its section 2.1 defines it: by the largest power of two below the length.
fn head(hashes: &[Hash]) -> Hash {
    if let [one] = hashes {
        return *one;
    }
    let split = hashes.len().next_power_of_two() / 2;
    node(&head(&hashes[..split]), &head(&hashes[split..]))
}

#[test]
fn digests_and_tags_are_those_of_the_ledgers_format() {
    // By hand: printf '\x00\x01\x00\x00\x00kvalue' | sha256sum, and printf '\x02shop-1' | sha256sum.
    assert_eq!(hex(&digest(b"k", b"value")), DIGEST);
    assert_eq!(hex(&tag(b"shop-1")), TAG_OF_SHOP);
}

const DIGEST: &str = "11b5dfc90c91499eedf1071a9e7d8940c4e9cef94e9fddb907b7b80497ad1d93";
const TAG_OF_SHOP: &str = "5498962c174af289";

#[test]
fn where_the_key_ends_is_part_of_the_digest() {
    assert_ne!(digest(b"ab", b"c"), digest(b"a", b"bc"));
}

#[test]
fn no_record_gives_the_head_of_the_empty_tree() {
    assert_eq!(
        hex(&Tree::default().root()),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn the_running_head_is_that_of_the_definition_at_every_length() {
    let mut random = Random(7);
    let (mut tree, mut hashes) = (Tree::default(), Vec::new());
    for _ in 0..300 {
        let hash = digest(&random.next().to_le_bytes(), b"");
        tree.add(hash);
        hashes.push(hash);
        assert_eq!(tree.root(), head(&hashes), "{} leaves", hashes.len());
    }
}

#[test]
fn each_feed_slice_and_mode_has_a_leaf() {
    let mut leaves = Leaves::default();
    let others = [Of { feed: 1, ..OF }, Of { slice: 1, ..OF }, Of { mode: 1, ..OF }, Of { lane: 1, ..OF }];
    for of in [OF, OF].into_iter().chain(others) {
        leaves.add(of, tag(b"e"), b"key", b"value")[2] += 3;
    }
    let counts: Vec<_> = leaves.all().iter().map(|leaf| (leaf.count(), leaf.size, leaf.values[2])).collect();
    assert_eq!(counts, [(2, 16, 6), (1, 8, 3), (1, 8, 3), (1, 8, 3), (1, 8, 3)]);
    assert_eq!(leaves.all()[0].entries.len(), 80);
    leaves.clear();
    assert!(leaves.all().is_empty());
    leaves.add(OF, tag(b"e"), b"", b"");
    assert_eq!(leaves.all()[0].count(), 1);
}

#[test]
fn what_fits_no_message_is_several_leaves() {
    let mut leaves = Leaves::default();
    for number in 0..=MOST_ENTRIES {
        leaves.add(OF, tag(b"e"), &number.to_le_bytes(), b"");
    }
    let counts: Vec<_> = leaves.all().iter().map(super::Leaf::count).collect();
    assert_eq!(counts, [MOST_ENTRIES, 1]);
    assert_eq!(leaves.all()[1].root(), digest(&MOST_ENTRIES.to_le_bytes(), b""));
}
