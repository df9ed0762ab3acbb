//! Prints tables for people.

/// Prints rows under a header. The first column is aligned to the left, the others to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(header.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let line = |cells: Vec<&str>| {
        let mut out = String::from("  ");
        for (column, cell) in cells.iter().enumerate() {
            let width = width(column);
            match column {
                0 => out.push_str(&format!("{cell:<width$}")),
                _ => out.push_str(&format!("   {cell:>width$}")),
            }
        }
        println!("{}", out.trim_end());
    };
    line(header.to_vec());
    println!("  {}", "-".repeat((0..header.len()).map(|column| width(column) + 3).sum::<usize>() - 3));
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
