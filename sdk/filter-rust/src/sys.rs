//! The imports of module ginnel. Built for anything but WebAssembly, every one of them is unsupported,
//! so that a filter's own logic runs in an ordinary test.

macro_rules! imports {
    ($($name:ident($($p:ident: $t:ty),*) $(-> $r:ty = $none:expr)?;)*) => {
        #[cfg(target_arch = "wasm32")]
        mod imp {
            #[link(wasm_import_module = "ginnel")]
            extern "C" {
                $(pub fn $name($($p: $t),*) $(-> $r)?;)*
            }
        }
        #[cfg(not(target_arch = "wasm32"))]
        #[allow(unused_variables)]
        mod imp {
            $(pub unsafe fn $name($($p: $t),*) $(-> $r)? { $($none)? })*
        }
        pub(crate) use imp::*;
    };
}

#[cfg(not(target_arch = "wasm32"))]
const NONE: i32 = crate::abi::UNSUPPORTED;
#[cfg(not(target_arch = "wasm32"))]
const NONE64: i64 = crate::abi::UNSUPPORTED as i64;

type P = *const u8;
type B = *mut u8;

imports! {
    log(level: u32, p: super::P, n: usize);
    get(field: u32, kp: super::P, kn: usize, buf: super::B, size: usize) -> i32 = super::NONE;
    set(field: u32, kp: super::P, kn: usize, vp: super::P, vn: usize) -> i32 = super::NONE;
    del(field: u32, kp: super::P, kn: usize) -> i32 = super::NONE;
    list(field: u32, buf: super::B, size: usize) -> i32 = super::NONE;
    out(p: super::P, n: usize) -> i32 = super::NONE;
    json_get(pp: super::P, pn: usize, buf: super::B, size: usize) -> i32 = super::NONE;
    json_set(pp: super::P, pn: usize, vp: super::P, vn: usize) -> i32 = super::NONE;
    respond(status: u32, hp: super::P, hn: usize, bp: super::P, bn: usize) -> i32 = super::NONE;
    text_count() -> i32 = super::NONE;
    text_get(i: u32, buf: super::B, size: usize) -> i32 = super::NONE;
    text_set(i: u32, p: super::P, n: usize) -> i32 = super::NONE;
    text_splice(i: u32, from: u32, to: u32, p: super::P, n: usize) -> i32 = super::NONE;
    text_info(i: u32) -> i32 = super::NONE;
    scan_compile(p: super::P, n: usize) -> i32 = super::NONE;
    scan(set: u32, source: u32, i: u32, buf: super::B, size: usize) -> i32 = super::NONE;
    annotate(kp: super::P, kn: usize, vp: super::P, vn: usize) -> i32 = super::NONE;
    state_get(buf: super::B, size: usize) -> i32 = super::NONE;
    state_put(p: super::P, n: usize) -> i32 = super::NONE;
    rate_take(np: super::P, nn: usize, kp: super::P, kn: usize, cost: u32) -> i64 = super::NONE64;
    rate_tell() -> i32 = super::NONE;
    delay(ms: u32) -> i32 = super::NONE;
    kv_get(kp: super::P, kn: usize, buf: super::B, size: usize) -> i32 = super::NONE;
    kv_set(kp: super::P, kn: usize, vp: super::P, vn: usize, ttl: u32) -> i32 = super::NONE;
    kv_incr(kp: super::P, kn: usize, delta: i64, ttl: u32) -> i64 = super::NONE64;
    http_call(p: super::P, n: usize, timeout: u32) -> i32 = super::NONE;
    metric(kind: u32, np: super::P, nn: usize, value: f64) -> i32 = super::NONE;
    event(np: super::P, nn: usize, jp: super::P, jn: usize) -> i32 = super::NONE;
    now() -> i64 = 0;
    random(p: super::B, n: usize) -> i32 = super::NONE;
}
