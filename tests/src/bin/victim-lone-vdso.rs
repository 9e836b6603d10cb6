//! Has unmapped the part of its vDSO that the argument names, `vdso` or `vvar`, and does nothing since that asks
//! for the time.

use std::time::Duration;

use commensal_tests::victim::Rounds;
use commensal_tests::victim::region::unmap_part_of_vdso;

fn main() {
    let part = std::env::args().nth(1).expect("the part");
    unmap_part_of_vdso(&part);
    let mut rounds = Rounds::default();
    loop {
        std::thread::sleep(Duration::from_millis(10));
        rounds.done();
    }
}
