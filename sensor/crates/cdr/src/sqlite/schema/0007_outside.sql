-- Registrations and requests outside of calls; faults of messages.
--
-- message, register_state, register_failed and sip_msg keep the columns that an existing query
-- knows; everything exactly, and what they have no column for, is in ringtap_register and
-- ringtap_transaction under the same ID.

CREATE TABLE message (
    ID INTEGER PRIMARY KEY, id_contenttype int unsigned NOT NULL, calldate datetime NOT NULL,
    caller varchar(255), caller_domain varchar(255), caller_reverse varchar(255),
    callername varchar(255), callername_reverse varchar(255), called varchar(255),
    called_domain varchar(255), called_reverse varchar(255), sipcallerip varbinary(16),
    sipcalledip varbinary(16), bye tinyint unsigned, lastSIPresponse_id mediumint unsigned,
    lastSIPresponseNum smallint unsigned, id_sensor smallint unsigned, vlan smallint,
    a_ua_id int unsigned, b_ua_id int unsigned, fbasename varchar(255), message mediumtext,
    content_length mediumint, response_time smallint unsigned, spool_index tinyint unsigned,
    GeoPosition varchar(255)
);

CREATE TABLE contenttype (
    id INTEGER PRIMARY KEY, contenttype varchar(255)
);

CREATE TABLE sip_msg (
    ID INTEGER PRIMARY KEY, time datetime NOT NULL, type tinyint unsigned NOT NULL,
    ip_src varbinary(16), ip_dst varbinary(16), ip_src_country_code varchar(5),
    ip_dst_country_code varchar(5), port_src smallint unsigned, port_dst smallint unsigned,
    number_src varchar(255), number_dst varchar(255), number_src_country_code varchar(5),
    number_dst_country_code varchar(5), domain_src varchar(255), domain_dst varchar(255),
    ua_src_id int unsigned, ua_dst_id int unsigned, callername varchar(255),
    callid varchar(255), cseq int unsigned, request_id_content_type mediumint unsigned,
    request_content_length mediumint unsigned, request_content mediumtext,
    response_id_content_type mediumint unsigned, response_content_length mediumint,
    response_content mediumtext, response_number smallint unsigned,
    response_id mediumint unsigned, time_us bigint unsigned,
    request_repetition smallint unsigned, request_time datetime, request_time_us int unsigned,
    response_time datetime, response_time_us int unsigned, response_duration_ms int unsigned,
    qualify_ok tinyint unsigned, id_sensor smallint unsigned, vlan smallint,
    spool_index tinyint unsigned, flags bigint unsigned
);

CREATE TABLE register_state (
    ID INTEGER PRIMARY KEY, id_sensor int unsigned NOT NULL, fname bigint,
    created_at datetime NOT NULL, sipcallerip varbinary(16), sipcalledip varbinary(16),
    sipcallerport smallint unsigned, sipcalledport smallint unsigned, from_num varchar(255),
    to_num varchar(255), contact_num varchar(255), contact_domain varchar(255),
    digestusername varchar(255), digestrealm varchar(255), expires mediumint,
    state tinyint unsigned, ua_id int unsigned, to_domain varchar(255), flags bigint unsigned,
    vlan smallint, spool_index tinyint unsigned, sipcallerip_country_code varchar(5),
    sipcalledip_country_code varchar(5), from_num_country_code varchar(5),
    to_num_country_code varchar(5)
);

CREATE TABLE register_failed (
    ID INTEGER PRIMARY KEY, id_sensor int unsigned NOT NULL, fname bigint,
    counter int DEFAULT 0, created_at datetime NOT NULL, sipcallerip varbinary(16),
    sipcalledip varbinary(16), sipcallerport smallint unsigned,
    sipcalledport smallint unsigned, from_num varchar(255), to_num varchar(255),
    contact_num varchar(255), contact_domain varchar(255), digestusername varchar(255),
    digestrealm varchar(255), ua_id int unsigned, to_domain varchar(255),
    flags bigint unsigned, vlan smallint, spool_index tinyint unsigned,
    sipcallerip_country_code varchar(5), sipcalledip_country_code varchar(5),
    from_num_country_code varchar(5), to_num_country_code varchar(5)
);

-- flags: 1 challenged, 2 the capture ended, 4 TCP.

CREATE TABLE ringtap_transaction (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, id_sensor integer NOT NULL,
    call_key integer NOT NULL, callid text, method text NOT NULL, cseq integer NOT NULL,
    first_us integer NOT NULL, last_us integer NOT NULL, request_us integer,
    response_us integer, delay_us integer, src blob, sport integer, dst blob, dport integer,
    caller text, caller_domain text, callername text, called text, called_domain text,
    calledname text, ua_src text, ua_dst text, response_num integer, response text,
    repetition integer NOT NULL, messages integer NOT NULL, request_type text,
    request_length integer NOT NULL, response_type text, response_length integer NOT NULL,
    content text, event text, digest_username text, flags integer NOT NULL, vlan integer,
    repeats integer NOT NULL, malformed text
);

CREATE TABLE ringtap_register (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, id_sensor integer NOT NULL,
    register_key integer NOT NULL, call_key integer NOT NULL, callid text,
    created_us integer NOT NULL, state integer NOT NULL, counter integer NOT NULL, src blob,
    sport integer, dst blob, dport integer, from_num text, from_domain text, to_num text,
    to_domain text, contact_num text, contact_domain text, digest_username text,
    digest_realm text, ua text, expires_asked integer, expires integer, response_num integer,
    response text, rrd_us integer, repetition integer NOT NULL, refreshes integer NOT NULL,
    flags integer NOT NULL, vlan integer, malformed text
);

CREATE UNIQUE INDEX contenttype_text ON contenttype (contenttype);
CREATE INDEX message_calldate ON message (calldate);
CREATE INDEX sip_msg_time ON sip_msg (time);
CREATE INDEX register_state_created_at ON register_state (created_at);
CREATE INDEX register_failed_created_at ON register_failed (created_at);
CREATE INDEX ringtap_transaction_calldate ON ringtap_transaction (calldate);
CREATE INDEX ringtap_transaction_callid ON ringtap_transaction (callid);
CREATE INDEX ringtap_register_calldate ON ringtap_register (calldate);
CREATE INDEX ringtap_register_key ON ringtap_register (register_key);

-- The first fault in a call's messages.

ALTER TABLE ringtap_cdr ADD COLUMN malformed text;
