//! What the dumping machine's processor can do.

/// The processors, in `cpuinfo.img`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CpuinfoEntry {
    /// One per kind of x86 processor.
    #[prost(message, repeated, tag = "1")]
    pub x86_entry: Vec<CpuinfoX86Entry>,
}

/// An x86 processor, as CPUID tells it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CpuinfoX86Entry {
    /// A [`CpuinfoX86Vendor`].
    #[prost(enumeration = "CpuinfoX86Vendor", required, tag = "1")]
    pub vendor_id: i32,
    /// Family.
    #[prost(uint32, required, tag = "2")]
    pub cpu_family: u32,
    /// Model.
    #[prost(uint32, required, tag = "3")]
    pub model: u32,
    /// Stepping.
    #[prost(uint32, required, tag = "4")]
    pub stepping: u32,
    /// Version of the list of capabilities.
    #[prost(uint32, required, tag = "5")]
    pub capability_ver: u32,
    /// Capability bits, 32 to a word, in the kernel's numbering (`X86_FEATURE_*`).
    #[prost(uint32, repeated, packed = "false", tag = "6")]
    pub capability: Vec<u32>,
    /// Name of the model.
    #[prost(string, optional, tag = "7")]
    pub model_id: Option<String>,
    /// Extended states the system uses (XCR0).
    #[prost(uint64, optional, tag = "8")]
    pub xfeatures_mask: Option<u64>,
    /// Size of the XSAVE area with the states in use, in bytes.
    #[prost(uint32, optional, tag = "9")]
    pub xsave_size: Option<u32>,
    /// Size of the XSAVE area with all states there are, in bytes.
    #[prost(uint32, optional, tag = "10")]
    pub xsave_size_max: Option<u32>,
}

/// Maker of an x86 processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CpuinfoX86Vendor {
    /// Another one.
    Unknown = 0,
    /// Intel.
    Intel = 1,
    /// AMD.
    Amd = 2,
}
