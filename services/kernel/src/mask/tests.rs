use super::{above, grid, write_division, write_partial};

#[test]
fn partial_counts_characters_and_hides_short_values_altogether() {
    let partial = |text: &str, first, last| {
        let mut out = Vec::new();
        write_partial(text.as_bytes(), first, last, &mut out);
        String::from_utf8(out.split_off(1)).unwrap_or_default()
    };
    assert_eq!(partial("13812345678", 3, 4), "138****5678");
    assert_eq!(partial("张三丰", 1, 0), "张**");
    assert_eq!(partial("张三", 1, 1), "**");
    assert_eq!(partial("", 1, 1), "");
    assert_eq!(partial("abc", 0, 0), "***");
    assert_eq!(partial("abc", usize::MAX, usize::MAX), "***");
}

#[test]
fn division_zeroes_what_lies_below_and_all_that_is_no_code() {
    let division = |text: &str, digits| {
        let mut out = Vec::new();
        write_division(text.as_bytes(), digits, &mut out);
        String::from_utf8(out.split_off(1)).unwrap_or_default()
    };
    assert_eq!(division("420106", 2), "420000");
    assert_eq!(division("420106003", 4), "420100000");
    assert_eq!(division("42", 6), "42");
    assert_eq!(division("张三在武汉", 2), "00000");
    assert_eq!(division("", 2), "");
}

#[test]
fn the_parent_of_a_division_is_one_level_up() {
    let parent = |code: &str| {
        let mut out = Vec::new();
        write_division(code.as_bytes(), above(code.as_bytes()), &mut out);
        String::from_utf8(out.split_off(1)).unwrap_or_default()
    };
    assert_eq!(parent("420106003001"), "420106003000");
    assert_eq!(parent("420106003000"), "420106000000");
    assert_eq!(parent("420106003"), "420106000");
    assert_eq!(parent("420106"), "420100");
    assert_eq!(parent("420100"), "420000");
    assert_eq!(parent("420000"), "000000");
    assert_eq!(parent("000000"), "000000");
    assert_eq!(parent("4201060"), "4201000");
    assert_eq!(parent("武汉"), "00");
    assert_eq!(parent(""), "");
}

#[test]
fn a_place_is_the_edge_of_its_cell() {
    let near = |value: f64, wanted: f64| assert!((value - wanted).abs() < 1e-9, "{value} is not {wanted}");
    near(grid(30.592_8, 3.0), 30.55);
    near(grid(114.305_5, 3.0), 114.3);
    near(grid(-0.01, 30.0), -0.5);
    near(grid(0.999_9, 60.0), 0.0);
    assert!(grid(-0.0, 3.0).is_sign_positive());
    assert!(grid(f64::NAN, 3.0).is_nan());
    assert!(grid(f64::INFINITY, 3.0).is_infinite());
}
