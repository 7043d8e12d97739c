use super::{Mode, Modes};

fn mode(id: &str, prefix: &str, since_ms: i64, until_ms: i64) -> Mode {
    Mode { id: id.to_owned(), prefix: prefix.to_owned(), since_ms, until_ms }
}

#[test]
fn a_mode_holds_within_its_region_and_time() {
    let Ok(modes) = Modes::new(vec![mode("hubei", "42", 100, 200)]) else { unreachable!() };
    assert_eq!(modes.of(b"420106", 100), 1);
    assert_eq!(modes.of(b"420106", 199), 1);
    assert_eq!(modes.of(b"420106", 200), 0);
    assert_eq!(modes.of(b"420106", 99), 0);
    assert_eq!(modes.of(b"110105", 150), 0);
    assert_eq!(modes.of(b"4", 150), 0);
}

#[test]
fn of_several_modes_the_closest_holds() {
    let all = vec![
        mode("state", "", 0, 9),
        mode("b", "4201", 0, 9),
        mode("a", "4201", 0, 9),
        mode("c", "42", 0, 9),
    ];
    let Ok(modes) = Modes::new(all) else { unreachable!() };
    assert_eq!(modes.of(b"420106", 1), 3);
    assert_eq!(modes.of(b"421000", 1), 4);
    assert_eq!(modes.of(b"110000", 1), 1);
}

#[test]
fn what_is_no_mode_is_refused() {
    let refused = |all| Modes::new(all).err().unwrap_or_default();
    assert_eq!(refused(vec![mode("m", "湖北", 0, 1)]), "mode m: `湖北` is no beginning of a division");
    assert_eq!(refused(vec![mode("m", "42", 1, 1)]), "mode m: it ends before it begins");
    assert_eq!(refused(vec![mode("m", "42", 0, 1), mode("m", "42", 2, 3)]), "mode m: `42` is there twice");
}
