//! Draws the round trips as an SVG: bars on a logarithmic scale.

use std::fmt::{self, Write};

use super::figures::{Figure, Section};

/// Where the bars begin, in pixels; the value there, in round trips; and the pixels per power of ten.
const LEFT: f64 = 150.0;
const LEAST: f64 = 0.5;
const DECADE: f64 = 130.0;
const WIDTH: u32 = 720;
const BAR: u32 = 14;
const GAP: u32 = 34;

/// Draws every case that was measured.
pub(super) fn draw(trips: &Section) -> Result<String, String> {
    let figures: Vec<&Figure> = trips.figures().collect();
    if figures.is_empty() {
        return Err(
            "bench: --svg draws the round trips, which --only leaves out; omit --only".to_owned()
        );
    }
    let mut body = String::new();
    let height = bars(&figures, &mut body).map_err(|error| format!("bench: {error}"))?;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"11\">\n\
         <title>Round trips for a number of messages, by client; shorter is better</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    ))
}

/// Adds the bars case by case and returns the height of the picture.
fn bars(figures: &[&Figure], body: &mut String) -> Result<u32, fmt::Error> {
    let mut top = 8;
    let mut case = "";
    for figure in figures {
        if figure.name != case {
            case = &figure.name;
            top += GAP;
            writeln!(
                body,
                "<text x=\"8\" y=\"{}\" font-weight=\"bold\" fill=\"#222222\">{}</text>",
                top - 8,
                heading(case)
            )?;
        }
        let Some(trips) = figure.value else { continue };
        let color = if figure.peer.starts_with("ours") { "#1b7f4d" } else { "#8a94a0" };
        let length = (trips.max(2.0 * LEAST) / LEAST).log10() * DECADE;
        let (middle, end) = (top + BAR - 4, LEFT + length + 6.0);
        writeln!(
            body,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\" fill=\"#222222\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{}\" fill=\"{color}\"/>\
             <text x=\"{end:.1}\" y=\"{middle}\" fill=\"#222222\">{trips:.1}</text>",
            LEFT - 8.0,
            figure.peer,
            BAR - 3,
        )?;
        top += BAR;
    }
    writeln!(
        body,
        "<text x=\"8\" y=\"{}\" fill=\"#666666\">The scale is logarithmic: the same length more is \
         the same factor more.</text>",
        top + 22
    )?;
    Ok(top + 32)
}

/// `round-trips-20x1` in words.
fn heading(case: &str) -> String {
    let counts = case.trim_start_matches("round-trips-").split_once('x');
    let plural = |count: &str, one: &str| match count {
        "1" => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    match counts {
        Some((messages, rcpts)) => format!(
            "{} on one connection, {} each: round trips",
            plural(messages, "message"),
            plural(rcpts, "recipient")
        ),
        None => case.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_its_heading() {
        assert_eq!(
            heading("round-trips-20x1"),
            "20 messages on one connection, 1 recipient each: round trips"
        );
    }

    #[test]
    fn nothing_is_drawn_without_figures() {
        assert!(draw(&Section::default()).is_err());
    }
}
