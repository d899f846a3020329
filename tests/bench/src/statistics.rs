//! Medians, quantiles and spreads of small samples.

/// The middle value, or the mean of the two in the middle; not a number for an empty sample.
pub(crate) fn median(sample: &[f64]) -> f64 {
    let sorted = sorted(sample);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The smallest value that so many percent of the sample do not exceed; not a number for an empty
/// sample.
pub(crate) fn percentile(sample: &[f64], percent: usize) -> f64 {
    let sorted = sorted(sample);
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len().max(1));
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The smallest and the largest value.
pub(crate) fn spread(sample: &[f64]) -> (f64, f64) {
    let sorted = sorted(sample);
    (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN))
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_sample_lies_between_its_middle_values() {
        assert!((median(&[4.0, 1.0, 3.0]) - 3.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn the_99th_percentile_of_few_values_is_the_largest() {
        let few: Vec<f64> = (0..50).map(f64::from).collect();
        let many: Vec<f64> = (0..1000).map(f64::from).collect();

        assert!((percentile(&few, 99) - 49.0).abs() < f64::EPSILON);
        assert!((percentile(&many, 99) - 989.0).abs() < f64::EPSILON);
    }
}
