-- What the signalling of a call said beyond its columns in cdr, and the schema's side tables of it.

CREATE TABLE ringtap_dialog (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, ringing_time decimal(9,3),
    setup_time decimal(9,3), srd decimal(9,3), srd_failed decimal(9,3), sdd decimal(9,3),
    sdt decimal(9,3), sdt_failed decimal(9,3), reinvites integer NOT NULL,
    updates integer NOT NULL, pracks integer NOT NULL, challenges integer NOT NULL,
    glares integer NOT NULL, requests_again integer NOT NULL, responses_again integer NOT NULL,
    session_expires integer, session_refresher varchar(6), session_refreshes integer,
    session_missed integer, session_ended_call integer, dialled text, diverted_from text,
    redirected_to text, marks text
);

-- The dialogs of a forked or redirected INVITE, where there were several.

CREATE TABLE ringtap_branch (
    cdr_ID bigint NOT NULL, calldate datetime NOT NULL, "index" integer NOT NULL, tag text,
    cseq integer NOT NULL, addr blob NOT NULL, port integer NOT NULL, called text,
    called_domain text, ua text, first_us integer NOT NULL, ringing_us integer,
    answered_us integer, ended_us integer, bye integer NOT NULL, response_num integer NOT NULL,
    response text, reason_sip_cause integer, reason_sip_text text, reason_q850_cause integer,
    reason_q850_text text, won integer NOT NULL,
    PRIMARY KEY (cdr_ID, "index")
) WITHOUT ROWID;

-- Transfers by REFER; by: 0 the caller, 1 the callee.

CREATE TABLE ringtap_transfer (
    cdr_ID bigint NOT NULL, calldate datetime NOT NULL, "index" integer NOT NULL,
    at_us integer NOT NULL, by integer NOT NULL, refer_to text, number text,
    attended integer NOT NULL, status integer, result integer,
    PRIMARY KEY (cdr_ID, "index")
) WITHOUT ROWID;

CREATE TABLE cdr_next_branches (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL, caller varchar(255),
    caller_domain varchar(255), caller_reverse varchar(255), callername varchar(255),
    callername_reverse varchar(255), called varchar(255), called_domain varchar(255),
    called_reverse varchar(255), sipcallerip varbinary(16), sipcallerport smallint unsigned,
    sipcalledip varbinary(16), sipcalledport smallint unsigned,
    sipcallerip_country_code varchar(5), sipcalledip_country_code varchar(5),
    caller_number_country_code varchar(5), called_number_country_code varchar(5),
    proxyip_1 varbinary(16), proxyip_2 varbinary(16), proxyip_3 varbinary(16),
    bye tinyint unsigned, lastSIPresponse_id mediumint unsigned,
    lastSIPresponseNum smallint unsigned, reason_sip_cause smallint unsigned,
    reason_sip_text_id mediumint unsigned, reason_q850_cause smallint unsigned,
    reason_q850_text_id mediumint unsigned, a_ua_id int unsigned, b_ua_id int unsigned,
    call_id varchar(255), fbasename varchar(255), custom_header1 varchar(255),
    match_header varchar(128)
);

CREATE TABLE cdr_proxy (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL, dst varbinary(16)
);

CREATE TABLE cdr_sdp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL, ip varbinary(16),
    port smallint unsigned, is_caller tinyint unsigned, ptime tinyint unsigned
);

-- time: microseconds since calldate.

CREATE TABLE cdr_siphistory (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL, time bigint unsigned,
    SIPrequest_id mediumint unsigned, SIPresponse_id mediumint unsigned,
    SIPresponseNum smallint unsigned
);

CREATE TABLE cdr_sipresp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL,
    SIPresponse_id mediumint unsigned, SIPresponseNum smallint unsigned
);

CREATE TABLE cdr_sip_request (
    id INTEGER PRIMARY KEY, request varchar(255)
);

CREATE INDEX cdr_next_branches_cdr ON cdr_next_branches (cdr_ID);
CREATE INDEX cdr_proxy_cdr ON cdr_proxy (cdr_ID);
CREATE INDEX cdr_sdp_cdr ON cdr_sdp (cdr_ID);
CREATE INDEX cdr_siphistory_cdr ON cdr_siphistory (cdr_ID);
CREATE INDEX cdr_sipresp_cdr ON cdr_sipresp (cdr_ID);
CREATE UNIQUE INDEX cdr_sip_request_text ON cdr_sip_request (request);
