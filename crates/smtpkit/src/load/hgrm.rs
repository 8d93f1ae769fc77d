//! The percentile format of HdrHistogram, which its plotters read.
use std::io::{self, Write};

use hdrhistogram::Histogram;

/// Writes the distribution of times in nanoseconds, with values in milliseconds.
pub(super) fn write(times: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    )?;
    let mut total = 0;
    for step in times.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let (value, quantile) =
            (in_milliseconds(step.value_iterated_to()), step.quantile_iterated_to());
        write!(out, "{value:>12.3} {quantile:>14.12} {total:>10}")?;
        match quantile < 1.0 {
            true => writeln!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?,
            false => writeln!(out)?,
        }
    }
    let (mean, deviation) = (times.mean() / 1e6, times.stdev() / 1e6);
    let (max, count) = (in_milliseconds(times.max()), times.len());
    writeln!(out, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]")?;
    writeln!(out, "#[Max     = {max:>12.3}, Total count    = {count:>12}]")?;
    writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", times.buckets(), 2048)
}

fn in_milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_ends_with_its_maximum() {
        let mut times = Histogram::new(3).unwrap();
        (1..=1000_u64).for_each(|value| times.record(value * 1_000_000).unwrap());
        let mut out = Vec::new();
        write(&times, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let median = rows.iter().find(|row| row[1] == "0.500000000000").unwrap();
        assert!((499.0..=502.0).contains(&median[0].parse::<f64>().unwrap()), "{median:?}");
        assert_eq!(rows.last().unwrap()[1..], ["1.000000000000", "1000"]);
        assert!(text.contains("#[Max     =     1000"), "{text}");
    }
}
