//! The results of a benchmark. They are printed as a table and stored in
//! `target/bench/summary.json`. Each benchmark replaces only its own entries in that file.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::load::BoxError;

/// A result: the median, the minimum and the maximum of the rounds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    /// The lowest round.
    pub(crate) low: f64,
    /// The highest round.
    pub(crate) high: f64,
}

/// The results of one run, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Adds the median of `rounds`, and returns it.
    pub(crate) fn add(
        &mut self,
        name: &str,
        unit: &str,
        rounds: impl IntoIterator<Item = f64>,
    ) -> Result<f64, BoxError> {
        let mut rounds: Vec<f64> = rounds.into_iter().collect();
        rounds.sort_by(f64::total_cmp);
        let (Some(&low), Some(&high), Some(&value)) =
            (rounds.first(), rounds.last(), rounds.get(rounds.len() / 2))
        else {
            return Err(format!("{name} was not measured").into());
        };
        self.0.push(Figure { name: name.to_owned(), value, unit: unit.to_owned(), low, high });
        Ok(value)
    }

    /// Adds the ratio of `those` to `these`, computed for each round. Other load on the machine affects
    /// both values of a round, so it has little effect on the ratio.
    pub(crate) fn add_ratio(
        &mut self,
        name: &str,
        those: &[f64],
        these: &[f64],
    ) -> Result<f64, BoxError> {
        self.add(name, "ratio", those.iter().zip(these).map(|(that, this)| that / this))
    }

    /// Prints the results and stores them.
    pub(crate) fn publish(&self) -> Result<(), BoxError> {
        println!("{:<48}{:>14}  {:<12}{:>14}{:>14}", "", "median", "unit", "low", "high");
        for Figure { name, value, unit, low, high } in &self.0 {
            println!("{name:<48}{value:>14.3}  {unit:<12}{low:>14.3}{high:>14.3}");
        }
        let path = summary();
        let mut all = read(&path)?;
        all.extend(self.0.iter().map(|figure| (figure.name.clone(), figure.clone())));
        let all: Vec<&Figure> = all.values().collect();
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(&path, serde_json::to_string_pretty(&all)?)?;
        println!("all figures of the last runs: {}", path.display());
        Ok(())
    }
}

/// Returns the path of the file with the results of all benchmarks. The file is in Cargo's target
/// folder.
fn summary() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench").join("summary.json")
}

fn read(path: &Path) -> Result<BTreeMap<String, Figure>, BoxError> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
        Ok(bytes) => {
            let figures: Vec<Figure> = serde_json::from_slice(&bytes)?;
            Ok(figures.into_iter().map(|figure| (figure.name.clone(), figure)).collect())
        }
    }
}
