//! Values of configured headers.

use super::*;
use crate::record::dialog::CustomHeader;

fn with(n: u64, values: &[(&str, &str)]) -> Record {
    let one =
        |&(name, value): &(&str, &str)| CustomHeader { name: name.into(), value: value.into() };
    let mut call = fixture::call(n);
    call.dialog.custom_headers = values.iter().map(one).collect();
    boxed(call)
}

#[test]
fn values_are_found_whole_or_by_their_ends() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let calls = [
        with(1, &[("X-Tenant", "acme-1"), ("X-Route", "east%")]),
        with(2, &[("X-Tenant", "acme-2"), ("X-Route", "west")]),
        with(3, &[("X-Tenant", "Acme-1")]),
        with(4, &[]),
    ];
    store.write(&calls).unwrap();
    for (asked, found) in [
        ("x-tenant=acme-1", &[1][..]),
        ("X-Tenant=acme*", &[1, 2]),
        ("X-Tenant=*-1", &[1, 3]),
        ("X-Tenant=*me-*", &[1, 2, 3]),
        ("X-Route=*", &[1, 2]),
        ("X-Route=*%", &[1]),
        ("X-Route=acme-1", &[]),
        ("X-Other=*", &[]),
    ] {
        assert_eq!(ids(&mut store, &[("header", asked)]), found, "{asked}");
    }
    assert_eq!(ids(&mut store, &[("header", "X-Tenant=acme*"), ("caller", "+49301002")]), [2]);
}

/// As a query would look for them that knows the original's tables.
#[test]
fn the_first_16_headers_have_columns_and_the_others_are_kept_all_the_same() {
    let (_dir, path) = at("a.db");
    let mut store = create(&path).unwrap();
    let names: Vec<String> = (1..=18).map(|n| format!("X-{n:02}")).collect();
    let (first, last) = names.split_at(16);
    let values = |names: &[String]| -> Vec<CustomHeader> {
        names.iter().map(|n| CustomHeader { name: n.into(), value: n[2..].into() }).collect()
    };
    for (id, names) in [(1, first), (2, last)] {
        let mut call = fixture::call(id);
        call.dialog.custom_headers = values(names);
        store.write(&[boxed(call)]).unwrap();
    }
    let place = |name: &str| -> (Option<i64>, Option<i64>) {
        let sql = "SELECT dynamic_table, dynamic_column FROM cdr_custom_headers \
                   WHERE header_field = ?1";
        raw(&path).query_row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    assert_eq!((place("x-02"), place("X-16")), ((Some(1), Some(2)), (Some(1), Some(16))));
    assert_eq!((place("X-17"), place("X-18")), ((None, None), (None, None)));
    let sql = "SELECT custom_header_2, custom_header_16 FROM cdr_next_1 WHERE cdr_ID = 1";
    let row = raw(&path).query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(row.unwrap(), ("02".to_owned(), "16".to_owned()));
    assert_eq!(ids(&mut store, &[("header", "X-18=18")]), [2]);
    assert_eq!(store.call(2).unwrap().unwrap().dialog.custom_headers, values(last));
}
