# Hashes, a file handle and a sleep of select(2), which must not be interrupted.
use strict;
use warnings;

$| = 1;
my %squares;
my $round = 0;
open(my $file, '+>', 'data') or die "fault open: $!\n";
while (1) {
    $round++;
    $squares{$round} = $round * $round;
    my $wrong = grep { $squares{$_} != $_ * $_ } keys %squares;
    if ($wrong || keys(%squares) != $round) {
        print "fault the hash changed\n";
        exit 1;
    }
    printf $file "%d\n", $round;
    my $ready = select(undef, undef, undef, 0.03);
    if ($ready < 0) {
        print "fault select: $!\n";
        exit 1;
    }
    print "round $round\n";
}
