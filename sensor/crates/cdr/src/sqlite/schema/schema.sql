-- The schema of a new database.
--
-- Tables and columns that an existing query knows keep their names, order and declared types
-- (SQLite takes a declared type as an affinity); spans are seconds with three digits. Instants are
-- UTC text with microseconds. Addresses are blobs of 4 or 16 bytes. What is ours has tables of
-- its own, named ringtap_.

CREATE TABLE cdr (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, callend datetime NOT NULL,
    duration decimal(9,3), connect_duration decimal(9,3), progress_time decimal(9,3),
    first_rtp_time decimal(9,3), post_bye_delay decimal(9,3), caller varchar(255),
    caller_domain varchar(255), caller_reverse varchar(255), callername varchar(255),
    callername_reverse varchar(255), called varchar(255), called_domain varchar(255),
    called_reverse varchar(255), sipcallerip varbinary(16), sipcallerport smallint unsigned,
    sipcalledip varbinary(16), sipcalledport smallint unsigned, whohanged varchar(6),
    bye tinyint unsigned, lastSIPresponse_id mediumint unsigned,
    lastSIPresponseNum smallint unsigned, reason_sip_cause smallint unsigned,
    reason_sip_text_id mediumint unsigned, reason_q850_cause smallint unsigned,
    reason_q850_text_id mediumint unsigned, sighup tinyint, dscp int unsigned,
    a_index tinyint, b_index tinyint, a_payload int, b_payload int,
    a_saddr varbinary(16), b_saddr varbinary(16), a_received mediumint unsigned,
    b_received mediumint unsigned, a_lost mediumint unsigned, b_lost mediumint unsigned,
    a_reordered mediumint unsigned, b_reordered mediumint unsigned,
    a_ua_id int unsigned, b_ua_id int unsigned, a_avgjitter_mult10 mediumint unsigned,
    b_avgjitter_mult10 mediumint unsigned, a_maxjitter smallint unsigned,
    b_maxjitter smallint unsigned, a_sl1 mediumint unsigned, a_sl2 mediumint unsigned,
    a_sl3 mediumint unsigned, a_sl4 mediumint unsigned, a_sl5 mediumint unsigned,
    a_sl6 mediumint unsigned, a_sl7 mediumint unsigned, a_sl8 mediumint unsigned,
    a_sl9 mediumint unsigned, a_sl10 mediumint unsigned, a_d50 mediumint unsigned,
    a_d70 mediumint unsigned, a_d90 mediumint unsigned, a_d120 mediumint unsigned,
    a_d150 mediumint unsigned, a_d200 mediumint unsigned, a_d300 mediumint unsigned,
    b_sl1 mediumint unsigned, b_sl2 mediumint unsigned, b_sl3 mediumint unsigned,
    b_sl4 mediumint unsigned, b_sl5 mediumint unsigned, b_sl6 mediumint unsigned,
    b_sl7 mediumint unsigned, b_sl8 mediumint unsigned, b_sl9 mediumint unsigned,
    b_sl10 mediumint unsigned, b_d50 mediumint unsigned, b_d70 mediumint unsigned,
    b_d90 mediumint unsigned, b_d120 mediumint unsigned, b_d150 mediumint unsigned,
    b_d200 mediumint unsigned, b_d300 mediumint unsigned,
    a_mos_lqo_mult10 tinyint unsigned, b_mos_lqo_mult10 tinyint unsigned,
    a_mos_f1_min_mult10 tinyint unsigned, a_mos_f2_min_mult10 tinyint unsigned,
    a_mos_adapt_min_mult10 tinyint unsigned, a_mos_xr_min_mult10 tinyint unsigned,
    a_mos_silence_min_mult10 tinyint unsigned, b_mos_f1_min_mult10 tinyint unsigned,
    b_mos_f2_min_mult10 tinyint unsigned, b_mos_adapt_min_mult10 tinyint unsigned,
    b_mos_xr_min_mult10 tinyint unsigned, b_mos_silence_min_mult10 tinyint unsigned,
    a_mos_f1_mult10 tinyint unsigned, a_mos_f2_mult10 tinyint unsigned,
    a_mos_adapt_mult10 tinyint unsigned, a_mos_xr_mult10 tinyint unsigned,
    a_mos_silence_mult10 tinyint unsigned, b_mos_f1_mult10 tinyint unsigned,
    b_mos_f2_mult10 tinyint unsigned, b_mos_adapt_mult10 tinyint unsigned,
    b_mos_xr_mult10 tinyint unsigned, b_mos_silence_mult10 tinyint unsigned,
    a_rtcp_loss mediumint, a_rtcp_maxfr smallint unsigned,
    a_rtcp_avgfr_mult10 smallint unsigned, a_rtcp_maxjitter smallint unsigned,
    a_rtcp_avgjitter_mult10 smallint unsigned, a_rtcp_avgrtd_mult10 smallint unsigned,
    a_rtcp_maxrtd_mult10 smallint unsigned, b_rtcp_loss mediumint,
    b_rtcp_maxfr smallint unsigned, b_rtcp_avgfr_mult10 smallint unsigned,
    b_rtcp_maxjitter smallint unsigned, b_rtcp_avgjitter_mult10 smallint unsigned,
    b_rtcp_avgrtd_mult10 smallint unsigned, b_rtcp_maxrtd_mult10 smallint unsigned,
    a_last_rtp_from_end smallint, b_last_rtp_from_end smallint,
    a_rtcp_fraclost_pktcount int unsigned, b_rtcp_fraclost_pktcount int unsigned,
    a_rtp_ptime tinyint unsigned, b_rtp_ptime tinyint unsigned, payload int,
    jitter_mult10 mediumint unsigned, mos_min_mult10 tinyint unsigned,
    a_mos_min_mult10 tinyint unsigned, b_mos_min_mult10 tinyint unsigned,
    packet_loss_perc_mult1000 mediumint unsigned,
    a_packet_loss_perc_mult1000 mediumint unsigned,
    b_packet_loss_perc_mult1000 mediumint unsigned, delay_sum mediumint unsigned,
    a_delay_sum mediumint unsigned, b_delay_sum mediumint unsigned,
    delay_avg_mult100 mediumint unsigned, a_delay_avg_mult100 mediumint unsigned,
    b_delay_avg_mult100 mediumint unsigned, delay_cnt mediumint unsigned,
    a_delay_cnt mediumint unsigned, b_delay_cnt mediumint unsigned,
    rtcp_avgfr_mult10 smallint unsigned, rtcp_avgjitter_mult10 smallint unsigned,
    lost mediumint unsigned, caller_clipping_div3 smallint unsigned,
    called_clipping_div3 smallint unsigned, caller_silence tinyint unsigned,
    called_silence tinyint unsigned, caller_silence_end smallint unsigned,
    called_silence_end smallint unsigned, response_time_100 smallint unsigned,
    response_time_xxx smallint unsigned, max_retransmission_invite tinyint unsigned,
    ttl_min tinyint unsigned, ttl_max tinyint unsigned, ttl_avg_mult10 smallint unsigned,
    a_ttl_min tinyint unsigned, a_ttl_max tinyint unsigned,
    a_ttl_avg_mult10 smallint unsigned, b_ttl_min tinyint unsigned,
    b_ttl_max tinyint unsigned, b_ttl_avg_mult10 smallint unsigned,
    flags bigint unsigned, vlan smallint, id_sensor smallint unsigned,
    price_operator_mult1000000 bigint unsigned,
    price_operator_currency_id tinyint unsigned,
    price_customer_mult1000000 bigint unsigned,
    price_customer_currency_id tinyint unsigned
);

CREATE TABLE cdr_next (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, custom_header1 varchar(255),
    fbasename varchar(255), digest_username varchar(255), match_header varchar(128),
    GeoPosition varchar(255), hold varchar(1024), spool_index tinyint unsigned
);

CREATE TABLE cdr_rtp (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL, saddr varbinary(16),
    sport smallint unsigned, daddr varbinary(16), dport smallint unsigned,
    ssrc int unsigned, received mediumint unsigned, loss mediumint unsigned,
    firsttime float, payload smallint unsigned, maxjitter_mult10 smallint unsigned,
    "index" tinyint unsigned, sdp_ptime tinyint unsigned, rtp_ptime tinyint unsigned,
    flags bigint unsigned, duration float, ttl_min tinyint unsigned,
    ttl_max tinyint unsigned, ttl_avg_mult10 smallint unsigned,
    PRIMARY KEY (cdr_ID, "index")
) WITHOUT ROWID;

CREATE TABLE cdr_dtmf (
    cdr_ID bigint unsigned NOT NULL, calldate datetime NOT NULL, daddr varbinary(16),
    saddr varbinary(16), firsttime float, dtmf char(1), type tinyint unsigned
);

CREATE TABLE cdr_sip_response (
    id INTEGER PRIMARY KEY, lastSIPresponse varchar(255)
);

CREATE TABLE cdr_ua (
    id INTEGER PRIMARY KEY, ua varchar(512)
);

CREATE TABLE cdr_reason (
    id INTEGER PRIMARY KEY, type tinyint, reason varchar(255)
);

CREATE TABLE sensors (
    id_sensor INTEGER PRIMARY KEY, name varchar(256), host varchar(255), port int,
    timezone_name varchar(64), timezone_offset int, timezone_save_at datetime
);

CREATE TABLE system (
    id INTEGER PRIMARY KEY, type text, cdate date, cdatetime datetime, content text
);

-- Of a call, what the schema above has no column for.

CREATE TABLE ringtap_cdr (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, calldate_us integer NOT NULL,
    callend_us integer NOT NULL, callid text NOT NULL, call_key integer NOT NULL,
    instance integer NOT NULL, mos_min real, tcp integer NOT NULL, sip_messages integer NOT NULL,
    ladder_dropped integer NOT NULL
);

-- The streams of calls, exactly. sl and d: counts with commas between, empty when all are 0.
-- flags: 1 SRTP, 2 the payload type changed, 4 several calls claim it, 8 not exactly split.

CREATE TABLE ringtap_rtp (
    cdr_ID bigint NOT NULL, calldate datetime NOT NULL, "index" integer NOT NULL,
    src blob NOT NULL, sport integer NOT NULL, dst blob NOT NULL, dport integer NOT NULL,
    side integer, ssrc integer NOT NULL, payload integer NOT NULL, codec text COLLATE NOCASE,
    clock_rate integer, clock_inferred integer NOT NULL, first_us integer NOT NULL,
    last_us integer NOT NULL, received integer NOT NULL, lost integer NOT NULL,
    reordered integer NOT NULL, duplicate integer NOT NULL, jitter_ms_avg real,
    jitter_ms_max real, sl text, d text, mos_f1 real, mos_f2 real, mos_adapt real,
    mos_f1_min real, mos_f2_min real, mos_adapt_min real, mos_min real, rtcp_loss integer,
    rtcp_maxfr integer, rtcp_avgfr real, rtcp_maxjitter_ms real, rtcp_avgjitter_ms real,
    rtcp_maxrtd_ms real, rtcp_avgrtd_ms real, rtcp_fraclost_pktcount integer,
    sdp_ptime_ms integer, rtp_ptime_ms integer, ttl_min integer, ttl_max integer, ttl_avg real,
    flags integer NOT NULL, spool_key integer NOT NULL,
    PRIMARY KEY (cdr_ID, "index")
) WITHOUT ROWID;

-- Streams that no call claimed.

CREATE TABLE ringtap_stream (
    ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, id_sensor integer, src blob NOT NULL,
    sport integer NOT NULL, dst blob NOT NULL, dport integer NOT NULL, side integer,
    ssrc integer NOT NULL, payload integer NOT NULL, codec text COLLATE NOCASE,
    clock_rate integer, clock_inferred integer NOT NULL, first_us integer NOT NULL,
    last_us integer NOT NULL, received integer NOT NULL, lost integer NOT NULL,
    reordered integer NOT NULL, duplicate integer NOT NULL, jitter_ms_avg real,
    jitter_ms_max real, sl text, d text, mos_f1 real, mos_f2 real, mos_adapt real,
    mos_f1_min real, mos_f2_min real, mos_adapt_min real, mos_min real, rtcp_loss integer,
    rtcp_maxfr integer, rtcp_avgfr real, rtcp_maxjitter_ms real, rtcp_avgjitter_ms real,
    rtcp_maxrtd_ms real, rtcp_avgrtd_ms real, rtcp_fraclost_pktcount integer,
    sdp_ptime_ms integer, rtp_ptime_ms integer, ttl_min integer, ttl_max integer, ttl_avg real,
    flags integer NOT NULL, spool_key integer NOT NULL
);

-- The messages of a call: a line each, four fields with tabs between: UNIX microseconds, source,
-- destination, text.

CREATE TABLE ringtap_ladder (
    cdr_ID INTEGER PRIMARY KEY, calldate datetime NOT NULL, steps text NOT NULL
);

CREATE INDEX cdr_calldate ON cdr (calldate);
CREATE INDEX cdr_caller ON cdr (caller);
CREATE INDEX cdr_called ON cdr (called);
CREATE INDEX cdr_sipcallerip ON cdr (sipcallerip);
CREATE INDEX cdr_sipcalledip ON cdr (sipcalledip);
CREATE INDEX cdr_dtmf_cdr ON cdr_dtmf (cdr_ID);
CREATE UNIQUE INDEX cdr_sip_response_text ON cdr_sip_response (lastSIPresponse);
CREATE UNIQUE INDEX cdr_ua_text ON cdr_ua (ua);
CREATE UNIQUE INDEX cdr_reason_text ON cdr_reason (type, reason);
CREATE INDEX ringtap_cdr_callid ON ringtap_cdr (callid);
CREATE INDEX ringtap_stream_calldate ON ringtap_stream (calldate);
