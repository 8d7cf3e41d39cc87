//! The maps and the settings, and the few lines that touch them. Layouts and names are those of
//! `ringtap_common::maps`.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, ProgramArray, XskMap};
use ringtap_common::fingerprint::Seed;
use ringtap_common::maps::{
    Address, Claim, DEDUP_SLOTS, Endpoint, LEARNED_MAX, MediaFilter, Mode, OWN_MAX, Place,
    PortSets, SENDERS_MAX, SOCKETS_MAX, Settings,
};
use ringtap_common::verdict::COUNT;

#[map]
pub(crate) static PORTS: Array<PortSets> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static LEARNED: HashMap<Endpoint, Claim> = HashMap::with_max_entries(LEARNED_MAX, 0);

#[map]
pub(crate) static OWN: HashMap<Address, Claim> = HashMap::with_max_entries(OWN_MAX, 0);

#[map]
pub(crate) static SENDERS: LruHashMap<Address, Claim> =
    LruHashMap::with_max_entries(SENDERS_MAX, 0);

#[map]
pub(crate) static DEDUP: Array<u64> = Array::with_max_entries(DEDUP_SLOTS, 0);

#[map]
pub(crate) static VERDICTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNT as u32, 0);

#[map]
pub(crate) static SOCKETS: XskMap = XskMap::with_max_entries(SOCKETS_MAX, 0);

#[map]
pub(crate) static PROGRAMS: ProgramArray = ProgramArray::with_max_entries(1, 0);

#[map]
static PLACE: PerCpuArray<Place> = PerCpuArray::with_max_entries(1, 0);

/// Overwritten by the loader, read-only from then on: the verifier takes the fields for constants
/// and removes what they switch off.
#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings::new(0);

/// Reads one field of the settings; volatile, because the compiler only knows the value above.
macro_rules! setting {
    ($field:ident) => {
        // SAFETY: a plain read of an initialised static, through a pointer made from it.
        unsafe { (&raw const SETTINGS.$field).read_volatile() }
    };
}

#[inline(always)]
pub(crate) fn seed() -> Seed {
    setting!(seed)
}

#[inline(always)]
pub(crate) fn dedup_window_ns() -> u64 {
    setting!(dedup_window_ns)
}

#[inline(always)]
pub(crate) fn dedup_mask() -> u32 {
    setting!(dedup_mask)
}

#[inline(always)]
pub(crate) fn mode() -> u8 {
    setting!(mode)
}

/// Whether this host has traffic of its own beside the mirror's tunnels.
#[inline(always)]
pub(crate) fn is_shared() -> bool {
    mode() == Mode::Tunnel as u8
}

#[inline(always)]
pub(crate) fn is_learned_only() -> bool {
    setting!(media) == MediaFilter::Learned as u8
}

/// The magic of this run's stamps, if frames are to be stamped.
#[inline(always)]
pub(crate) fn stamp_magic() -> Option<u64> {
    if setting!(kernel_timestamps) == 0 { None } else { Some(setting!(stamp_magic)) }
}

/// The monotonic clock; not read when nothing needs it.
#[inline(always)]
pub(crate) fn clock_ns() -> u64 {
    if dedup_window_ns() == 0 && stamp_magic().is_none() {
        return 0;
    }
    // SAFETY: the helper takes no argument and reads a clock.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
pub(crate) fn tunnel_depth() -> u16 {
    u16::from(setting!(tunnel_depth))
}

/// Where the program before has left off.
#[inline(always)]
pub(crate) fn place() -> Option<Place> {
    let place = PLACE.get_ptr(0)?;
    // SAFETY: the slot belongs to this processor, and nothing else runs on it between the two
    // programs of one frame.
    Some(unsafe { *place })
}

/// Where the next program goes on.
#[inline(always)]
pub(crate) fn set_place(new: Place) -> bool {
    let Some(place) = PLACE.get_ptr_mut(0) else { return false };
    // SAFETY: as above.
    unsafe { *place = new };
    true
}

/// Counts a frame under the verdict with this index; gives this processor's new count, or 0 if
/// there is no such counter.
#[inline(always)]
pub(crate) fn count(verdict: u32) -> u64 {
    let Some(counter) = VERDICTS.get_ptr_mut(verdict) else { return 0 };
    // SAFETY: the slot belongs to this processor, and an XDP program is not interrupted by itself.
    unsafe {
        *counter += 1;
        *counter
    }
}
