//! Writes the seeds of every target to `DIR/<target>/`. Usage: `seeds DIR`.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a developer's tool")]

use std::fs;
use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds DIR"));
    for (target, _) in fuzz::TARGETS {
        let folder = folder.join(target);
        fs::create_dir_all(&folder).expect("the folder can be created");
        let seeds = fuzz::seeds::for_target(target);
        for (index, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(format!("seed-{index:03}")), seed)
                .expect("a seed can be written");
        }
        println!("{target}: {} seeds", seeds.len());
    }
}
