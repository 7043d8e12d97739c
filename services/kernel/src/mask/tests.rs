use super::{civil, days_from_civil, write_division, write_partial};

#[test]
fn days_survive_the_way_over_the_calendar_and_back() {
    assert_eq!(civil(0), (1970, 1, 1));
    assert_eq!(civil(18_293), (2020, 2, 1));
    assert_eq!(civil(-1), (1969, 12, 31));
    assert_eq!(civil(11_016), (2000, 2, 29));
    for day in (-1_000_000..1_000_000).step_by(13) {
        let (year, month, of_month) = civil(day);
        assert_eq!(days_from_civil(year, month) + of_month - 1, day);
    }
}

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
