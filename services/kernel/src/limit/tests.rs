use std::collections::VecDeque;

use super::{Ceiling, Recent};
use crate::random::Random;

#[test]
fn so_many_in_a_row_are_taken_and_not_one_more() {
    let ceiling = Ceiling::new(3, 1.0);
    let mut recent = Recent::default();
    assert!((0..3).all(|_| recent.dead(ceiling)));
    let before = recent.clone();
    assert!(!recent.dead(ceiling));
    assert_eq!(recent, before, "a refusal changes nothing, so that the next try is refused again");
    recent.good();
    assert!(recent.dead(ceiling));
}

#[test]
fn the_ratio_is_of_the_last_thousand() {
    let ceiling = Ceiling::new(1_000_000, 0.25);
    let mut recent = Recent::default();
    let mut random = Random(7);
    let mut window: VecDeque<bool> = vec![false; 1000].into();
    for _ in 0..20_000 {
        if random.below(3) == 0 {
            let dead = window.iter().skip(1).filter(|dead| **dead).count();
            let allowed = dead < 250;
            assert_eq!(recent.dead(ceiling), allowed);
            if allowed {
                window.pop_front();
                window.push_back(true);
            }
        } else {
            recent.good();
            window.pop_front();
            window.push_back(false);
        }
    }
}
