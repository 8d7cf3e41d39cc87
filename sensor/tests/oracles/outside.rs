//! The MESSAGEs and registrations that VoIPmonitor recorded of a capture, row by row.

use std::path::Path;

use serde_json::Value;

use crate::differences::Differences;
use crate::original::{Row, cell, table};

/// A table of theirs, and which records of ours are its rows.
struct Table {
    name: &'static str,
    is_ours: fn(&Value) -> bool,
    /// Columns by which a row is found; of several, the earliest.
    key: &'static [&'static str],
    /// Columns that are compared besides.
    columns: &'static [&'static str],
}

const TABLES: [Table; 3] = [
    Table {
        name: "message",
        is_ours: |record| record["type"] == "message",
        key: &["calldate", "sipcallerip", "sipcalledip"],
        columns: &[
            "caller",
            "caller_domain",
            "callername",
            "called",
            "called_domain",
            "lastSIPresponseNum",
            "message",
            "content_length",
            "response_time",
        ],
    },
    Table {
        name: "register_state",
        is_ours: |record| record["type"] == "register" && record["state"] != 2,
        key: &["state", "sipcallerip", "sipcalledip", "to_num", "contact_num"],
        columns: &[
            "created_at",
            "sipcallerport",
            "sipcalledport",
            "from_num",
            "contact_domain",
            "digestusername",
            "digestrealm",
            "to_domain",
            "expires",
        ],
    },
    Table {
        name: "register_failed",
        is_ours: |record| record["type"] == "register" && record["state"] == 2,
        key: &["sipcallerip", "sipcalledip", "to_num", "contact_num"],
        columns: &[
            "created_at",
            "counter",
            "sipcallerport",
            "sipcalledport",
            "from_num",
            "contact_domain",
            "digestusername",
            "digestrealm",
            "to_domain",
        ],
    },
];

/// Who and when, of a row of theirs or ours.
fn who(table: &Table, cell: &dyn Fn(&str) -> String) -> String {
    let [number, time] = match table.name {
        "message" => ["caller", "calldate"],
        _ => ["to_num", "created_at"],
    };
    format!("{} {} at {}", table.name, cell(number), cell(time))
}

/// Every row of theirs is one of ours, the columns agree, and we have no others.
pub(crate) fn records(folder: &Path, file: &str, ours: &[Value], differences: &mut Differences) {
    for one in &TABLES {
        let mut left: Vec<&Value> = ours.iter().filter(|record| (one.is_ours)(record)).collect();
        let mut rows: Vec<Row> = table(folder, file, one.name);
        rows.sort_by_key(|row| row.get("created_at").cloned());
        for row in rows {
            let same = |record: &&Value| one.key.iter().all(|key| row[*key] == cell(record, key));
            let Some(found) = left.iter().position(same) else {
                let who = who(one, &|column| row[column].clone());
                differences.compare(file, &who, "a record", "none");
                continue;
            };
            let record = left.remove(found);
            for column in one.columns {
                let what = format!("{} {} {column}", one.name, row["ID"]);
                differences.compare(file, &what, &row[*column], &cell(record, column));
            }
        }
        for record in left {
            let who = who(one, &|column| cell(record, column));
            differences.compare(file, &who, "none", "a record");
        }
    }
}
