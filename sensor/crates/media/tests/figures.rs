//! The table of codecs in `docs/quality.md` says what the code scores by.

use ringtap_media::Codec;
use ringtap_media::score::mos::{Scale, Source, impairment};

/// One cell's values for as many names: separated by `;`, then by `,`, or one for all.
fn spread(cell: &str, groups: &[Vec<String>]) -> Vec<String> {
    let cell = cell.replace("(WB)", "");
    let parts: Vec<&str> = cell.split(';').collect();
    let each = groups.iter().enumerate().flat_map(|(at, names)| {
        let part = if parts.len() == groups.len() { parts[at] } else { parts[0] };
        let values: Vec<&str> = part.split(',').map(str::trim).collect();
        let one_each = values.len() == names.len();
        (0..names.len()).map(move |n| values[if one_each { n } else { 0 }].to_owned())
    });
    each.collect()
}

/// Names in groups; `-32` after `G726-40` is `G726-32`.
fn names(cell: &str) -> Vec<Vec<String>> {
    let mut stem = "";
    let groups = cell.split(';').map(|group| {
        let full = group.split(',').map(str::trim).map(|name| {
            if name.starts_with('-') {
                return format!("{stem}{name}");
            }
            stem = name.split('-').next().unwrap_or_default();
            name.split(" (").next().unwrap_or_default().to_owned()
        });
        full.collect()
    });
    groups.collect()
}

#[test]
fn the_table_of_codecs_is_that_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/quality.md");
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("| codec | Ie | Bpl |").nth(1).unwrap();
    let mut seen = 0;
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').skip(1).map(str::trim).collect();
        let &[codecs, ie, bpl, figures, ..] = cells.as_slice() else { panic!("{row}") };
        let source = match figures {
            _ if figures.starts_with("G.113, Bpl assumed") => Source::BplAssumed,
            _ if figures.starts_with("G.113 App. I") => Source::G113,
            _ if figures.starts_with("assumed") => Source::Assumed,
            _ => panic!("{row}"),
        };
        let scale = if ie.contains("(WB)") { Scale::Wide } else { Scale::Narrow };
        let groups = names(codecs);
        let values = spread(ie, &groups).into_iter().zip(spread(bpl, &groups));
        for (name, (ie, bpl)) in groups.iter().flatten().zip(values) {
            let coded = impairment(Codec::from_name(name)).unwrap_or_else(|| panic!("{name}"));
            let [ie, bpl] = [ie, bpl].map(|value| value.parse::<f32>().unwrap());
            assert!((coded.ie - ie).abs() < 0.01 && (coded.bpl - bpl).abs() < 0.01, "{name}");
            assert_eq!((coded.source, coded.scale), (source, scale), "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 29, "every codec with figures stands there");
}
