//! The table: a row for each manner, and the sums.
use std::time::Duration;

const COLUMNS: [&str; 15] = [
    "messages",
    "accepted",
    "refused",
    "in doubt",
    "not sent",
    "again",
    "later",
    "connections",
    "cut",
    "twice",
    "absent",
    "present",
    "duplicates",
    "no result",
    "altered",
];

/// What one manner came to. Claims are counted for each recipient and attempt.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) numbers: [usize; COLUMNS.len()],
    pub(crate) took: Duration,
}

/// Prints the rows and their sums. The columns from `absent` on are faults.
pub(crate) fn print(rows: &[Row]) {
    let name = rows.iter().map(|row| row.name.len()).max().unwrap_or_default().max("all".len());
    print!("{:name$}", "");
    COLUMNS.iter().for_each(|column| print!("  {column}"));
    println!("  seconds");
    for row in rows {
        line(name, row);
    }
    let mut all = Row { name: "all".to_owned(), numbers: Default::default(), took: Duration::ZERO };
    for row in rows {
        all.numbers.iter_mut().zip(row.numbers).for_each(|(sum, number)| *sum += number);
        all.took = all.took.max(row.took);
    }
    line(name, &all);
}

fn line(name: usize, row: &Row) {
    print!("{:name$}", row.name);
    for (column, number) in COLUMNS.iter().zip(row.numbers) {
        print!("  {number:>width$}", width = column.len());
    }
    println!("  {:7.1}", row.took.as_secs_f64());
}
