-- Values of headers that the configuration names.
--
-- cdr_custom_headers says which headers there are, and for the first 16 of them in which column of
-- cdr_next_1 an existing query finds their values. ringtap_header has all of them; those of
-- MESSAGEs are in ringtap_message_header.

CREATE TABLE cdr_custom_headers (
    id INTEGER PRIMARY KEY, header_field varchar(255) NOT NULL COLLATE NOCASE UNIQUE,
    dynamic_table int, dynamic_column int
);

CREATE TABLE cdr_next_1 (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, custom_header_1 varchar(255),
    custom_header_2 varchar(255), custom_header_3 varchar(255), custom_header_4 varchar(255),
    custom_header_5 varchar(255), custom_header_6 varchar(255), custom_header_7 varchar(255),
    custom_header_8 varchar(255), custom_header_9 varchar(255), custom_header_10 varchar(255),
    custom_header_11 varchar(255), custom_header_12 varchar(255), custom_header_13 varchar(255),
    custom_header_14 varchar(255), custom_header_15 varchar(255), custom_header_16 varchar(255)
);

CREATE TABLE ringtap_header (
    cdr_ID integer NOT NULL, header integer NOT NULL, value text NOT NULL,
    calldate datetime NOT NULL, PRIMARY KEY (cdr_ID, header)
) WITHOUT ROWID;
CREATE INDEX ringtap_header_value ON ringtap_header (header, value);

CREATE TABLE ringtap_message_header (
    ID integer NOT NULL, header integer NOT NULL, value text NOT NULL,
    calldate datetime NOT NULL, PRIMARY KEY (ID, header)
) WITHOUT ROWID;
