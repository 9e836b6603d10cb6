//! How the cost grows, as pictures: one for each thing that a target can have much of.

use std::fs;
use std::path::Path;

use plotters::prelude::*;

use crate::case::Thing;
use crate::dumper::Dumper;
use crate::error::Error;
use crate::figures::{Comparison, Figure};

/// Width and height, in pixels.
const SIZE: (u32, u32) = (720, 480);

/// One line of a picture.
struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Writes `THING.svg` for each thing into a folder.
pub fn write(folder: &Path, growth: &[Comparison]) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::file(folder))?;
    for thing in Thing::PLOTTED {
        let points: Vec<&Comparison> = growth
            .iter()
            .filter(|point| point.case.thing == thing)
            .collect();
        if points.len() > 1 {
            let path = folder.join(thing.name()).with_extension("svg");
            draw(&path, thing, &lines(&points)).map_err(|why| Error::Plot(why.to_string()))?;
        }
    }
    Ok(())
}

fn lines(points: &[&Comparison]) -> Vec<Line> {
    let line = |name: &str, dumper: Dumper, colour, figure: fn(&Comparison, Dumper) -> Figure| {
        let at = |point: &&Comparison| (point.case.amount as f64, figure(point, dumper).median);
        Line {
            name: format!("{}, {name}", dumper.name()),
            colour,
            points: points.iter().map(at).collect(),
        }
    };
    vec![
        line(
            "total",
            Dumper::Criu,
            RGBColor(244, 165, 130),
            Comparison::total,
        ),
        line(
            "frozen",
            Dumper::Criu,
            RGBColor(202, 0, 32),
            Comparison::frozen,
        ),
        line(
            "total",
            Dumper::Commensal,
            RGBColor(146, 197, 222),
            Comparison::total,
        ),
        line(
            "frozen",
            Dumper::Commensal,
            RGBColor(5, 113, 176),
            Comparison::frozen,
        ),
    ]
}

fn draw(path: &Path, thing: Thing, lines: &[Line]) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let right = points().map(|point| point.0).fold(0.0, f64::max);
    let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.05;
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart
        .configure_mesh()
        .max_light_lines(1)
        .x_desc(thing.unit())
        .y_desc("milliseconds")
        .draw()?;
    for Line {
        name,
        colour,
        points,
    } in lines
    {
        let colour = *colour;
        chart
            .draw_series(
                LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3),
            )?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(area.present()?)
}
