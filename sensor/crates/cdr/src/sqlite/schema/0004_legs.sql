-- What ties calls to each other: a row for each call that has ties, and one for each token.

CREATE TABLE ringtap_legs (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, leg_group integer,
    session_id varchar(255), replaces varchar(512)
);
CREATE INDEX ringtap_legs_group ON ringtap_legs (leg_group);

CREATE TABLE ringtap_leg (
    cdr_ID integer NOT NULL, value integer NOT NULL, calldate datetime NOT NULL,
    calldate_us integer NOT NULL, PRIMARY KEY (cdr_ID, value)
) WITHOUT ROWID;
CREATE INDEX ringtap_leg_value ON ringtap_leg (value, calldate_us);

CREATE INDEX ringtap_cdr_call_key ON ringtap_cdr (call_key, calldate_us);
