use super::{civil, days_from_civil};

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
