#[allow(non_camel_case_types)]
mod bindings;

use bindings::Device;

/// # Safety
///
/// `device` points to a device whose memory has its size.
#[no_mangle]
pub unsafe extern "C" fn device_checksum(device: *const Device) -> u32 {
    let device = &*device;
    let memory = std::slice::from_raw_parts(device.memory, device.size as usize);
    memory.iter().fold(device.id, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte))
}
