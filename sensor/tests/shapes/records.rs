//! The records of a store: each call's JSON, and the messages in its ladder.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

/// One call's record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) json: Value,
    /// The messages, as the record shows them.
    pub(crate) ladder: Vec<String>,
}

/// All records, by Call-ID.
pub(crate) type Records = BTreeMap<String, Record>;

/// Puts JSON and ladders together; says which calls have more than one record, and
/// whether media was left over.
pub(crate) fn gather(calls: &[Value], database: &Path, differences: &mut Vec<String>) -> Records {
    let database = Connection::open(database).expect("the database opens");
    let lone = "SELECT count(*) FROM ringtap_stream";
    let lone: i64 = database.query_row(lone, [], |row| row.get(0)).expect("the database answers");
    if lone > 0 {
        differences.push(format!("{lone} streams that no call claimed"));
    }
    let mut ladders = ladders(&database);
    let mut records = Records::new();
    for json in calls {
        let id = json["callid"].as_str().unwrap_or_default().to_owned();
        let key = json["ID"].as_str().unwrap_or_default();
        let ladder = ladders.remove(key).unwrap_or_default();
        if records.insert(id.clone(), Record { json: json.clone(), ladder }).is_some() {
            differences.push(format!("{id} has more than one record"));
        }
    }
    records
}

/// The ladders in a store, by the records' IDs.
fn ladders(database: &Connection) -> BTreeMap<String, Vec<String>> {
    let mut asked = database
        .prepare("SELECT cast(cdr_ID AS text), steps FROM ringtap_ladder")
        .expect("the database has ladders");
    let rows = asked.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)));
    rows.expect("the database answers")
        .map(|row| {
            let (id, steps) = row.expect("a row");
            // A line each: time, source, destination, text.
            let texts = steps.lines().filter_map(|line| line.split('\t').nth(3));
            (id, texts.map(str::to_owned).collect())
        })
        .collect()
}
