//! What goes wrong, and when: faults are asked for by kind of request and happen in the order they were asked for.

use std::time::Duration;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// An upload in one request.
    Upload,
    /// The beginning of a resumable upload.
    StartUpload,
    /// Bytes of a resumable upload.
    Chunk,
    /// The question how far a resumable upload came.
    QueryUpload,
    /// The bytes of an object.
    Download,
    /// The description of an object.
    Stat,
    /// A page of a listing.
    List,
    /// The removal of an object.
    Delete,
    /// A change of what is said about an object.
    Patch,
    /// Anything about buckets.
    Bucket,
    /// All of these.
    Any,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An answer with this status and nothing done, with `Retry-After` in seconds when there is one.
    Status(u16, Option<u32>),
    /// The connection ends before anything is done.
    Reset,
    /// The request is done, then the connection ends.
    LostAnswer,
    /// The request has to wait.
    Slow(Duration),
    /// The connection ends after so many bytes of the request's body.
    CutRequest(u64),
    /// The connection ends after so many bytes of the answer's body.
    CutAnswer(u64),
    /// The answer names a checksum that is not the object's.
    WrongChecksum,
    /// Of a resumable upload: it is forgotten, with all that came of it, and the answer has this status.
    UploadLost(u16),
}

/// The faults to come.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    op: Op,
    fault: Fault,
    skip: u32,
    times: u32,
}

impl Faults {
    pub(crate) fn add(&mut self, op: Op, fault: Fault, skip: u32, times: u32) {
        self.0.push(Planned { op, fault, skip, times });
    }

    pub(crate) fn pending(&self) -> u32 {
        self.0.iter().map(|planned| planned.times).sum()
    }

    /// What goes wrong with this request; each plan that does not strike counts it as skipped.
    pub(crate) fn strike(&mut self, op: Op) -> Option<Fault> {
        for planned in &mut self.0 {
            let concerns = planned.op == op || planned.op == Op::Any;
            if !concerns || planned.times == 0 {
                continue;
            }
            if planned.skip > 0 {
                planned.skip -= 1;
                continue;
            }
            planned.times -= 1;
            return Some(planned.fault);
        }
        None
    }
}
