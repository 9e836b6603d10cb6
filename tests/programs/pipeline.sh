# A pipeline of long-lived children, whose first one starts a short-lived one each round.
produce() {
    local number=0
    while :; do
        number=$((number + 1))
        echo "$number"
        sleep 0.03
    done
}

double() {
    local number
    while read -r number; do
        echo $((number * 2))
    done
}

report() {
    local number expected=0
    while read -r number; do
        expected=$((expected + 2))
        if [ "$number" != "$expected" ]; then
            echo "fault the pipe gave $number, not $expected"
            exit 1
        fi
        echo "round $((number / 2))"
    done
    echo "fault the pipeline ended"
}

produce | double | report
