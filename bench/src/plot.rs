//! The picture of a table: how far each figure is, with its goal as the measure. To the right is better.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Outcome;
use crate::report::Figure;

const ROW: u32 = 26;
const MARGIN: u32 = 40;
const NAMES: i32 = 230;
const WIDTH: u32 = 900;
/// Goals reached this many times over, or missed as many times, are at the edge.
const FAR: f64 = 8.0;

/// Draws the figures that something is wanted of.
pub fn draw(file: &Path, figures: &[Figure]) -> Outcome<()> {
    let known: Vec<_> = figures.iter().filter_map(|figure| Some((figure, figure.wanted()?))).collect();
    let height = MARGIN * 2 + ROW * u32::try_from(known.len())?;
    let root = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let ink = RGBColor(40, 44, 52);
    let font = ("sans-serif", 14).into_font().color(&ink);
    let left = font.pos(Pos::new(HPos::Right, VPos::Center));
    let middle = font.pos(Pos::new(HPos::Center, VPos::Center));
    let right = font.pos(Pos::new(HPos::Left, VPos::Center));
    // As many times better is as far from the goal as as many times worse.
    let span = f64::from(WIDTH) - f64::from(NAMES) - 100.0;
    let place = |times: f64| {
        let along = (times.clamp(1.0 / FAR, FAR).ln() / FAR.ln() + 1.0) / 2.0;
        #[expect(clippy::cast_possible_truncation, reason = "a pixel, within the picture")]
        let pixel = (along * span) as i32;
        NAMES + pixel
    };
    let top = i32::try_from(MARGIN)?;
    let bottom = i32::try_from(height)? - top;
    for (times, label) in [(1.0 / FAR, "goal ÷ 8"), (0.5, "÷ 2"), (1.0, "goal"), (2.0, "× 2"), (FAR, "× 8")]
    {
        let x = place(times);
        root.draw(&PathElement::new(
            vec![(x, top - 6), (x, bottom)],
            ink.mix(if times == 1.0 { 0.9 } else { 0.2 }),
        ))?;
        root.draw(&Text::new(label, (x, top - 18), middle.clone()))?;
    }
    for (number, (figure, wanted)) in known.into_iter().enumerate() {
        let y = top + i32::try_from(ROW)? * i32::try_from(number)? + i32::try_from(ROW / 2)?;
        let [must, goal, moonshot] = wanted.levels;
        let times = wanted.reached(figure.median(), goal);
        let color = match (wanted.reached(figure.median(), must) >= 1.0, times >= 1.0) {
            (_, true) => RGBColor(30, 132, 90),
            (true, false) => RGBColor(201, 138, 20),
            (false, false) => RGBColor(190, 50, 50),
        };
        root.draw(&Text::new(figure.name.as_str(), (NAMES - 12, y), left.clone()))?;
        let (from, to) = (place(1.0 / FAR), place(times));
        root.draw(&Rectangle::new([(from, y - 7), (to, y + 7)], color.filled()))?;
        for level in [must, moonshot] {
            let x = place(wanted.reached(level, goal));
            root.draw(&PathElement::new(vec![(x, y - 10), (x, y + 10)], ink.stroke_width(2)))?;
        }
        root.draw(&Text::new(format!("{:.2}", figure.median()), (to.max(from) + 8, y), right.clone()))?;
    }
    root.present()?;
    Ok(())
}
