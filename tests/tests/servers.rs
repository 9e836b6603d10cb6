//! Real servers of the system, with clients outside of their tree that check every answer: dumped
//! ten times in a row under load, and once killed and restored. No client sees any of it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use commensal_tests::harness::{
    Dumper, PATIENCE, Program, Target, Then, assert_resumes_with, assert_survives, paths, process,
    reaper, wait_for,
};
use commensal_tests::judge::Judge;
use commensal_tests::{judge_or_skip, need_or_skip};
use tempfile::TempDir;

const ARGUMENTS: &[&str] = &["--tcp-established", "--file-locks"];
/// A server in a session of its own, killed when dropped.
struct Server {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl Server {
    /// Starts `program` with what `arguments` makes of a directory and a free port, and waits
    /// until it listens.
    fn start(program: &str, arguments: impl FnOnce(&Path, u16) -> Vec<String>) -> Self {
        reaper::adopt_orphans();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let log = fs::File::create(dir.path().join("log")).expect("a new log");
        let child = Command::new("setsid")
            .arg(program)
            .args(arguments(dir.path(), port))
            .current_dir(dir.path())
            .env(process::MARK, dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"))
            .stderr(log)
            .spawn()
            .expect("setsid starts");
        wait_for(&format!("{program} on port {port}"), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { child, dir, port }
    }

    fn dump(&self, name: &str, then: Then) -> PathBuf {
        let images = self.dir.path().join(name);
        fs::create_dir(&images).expect("a new folder");
        let dump = Dumper::chosen().run(self.child.id(), &images, then, ARGUMENTS);
        dump.unwrap_or_else(|failure| panic!("{name}: {}", failure.message));
        images
    }

    /// Dumps under load, then kills and restores; the clients go on through all of it.
    fn lives(&self, judge: &Judge, clients: Clients) {
        // A server may still be starting when it listens; what has answered has started.
        clients.make_progress();
        for turn in 0..10 {
            self.dump(&format!("resume-{turn}"), Then::Resume);
            clients.make_progress();
        }
        let images = self.dump("kill", Then::Kill);
        let _restored = judge
            .restore_with(&images, ARGUMENTS)
            .unwrap_or_else(|error| panic!("{error}"));
        clients.make_progress();
        clients.stop();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        process::kill_tree(self.child.id());
        process::kill_marked(self.dir.path());
    }
}

/// A port below those that the kernel gives to connections: it stays free while nothing listens.
fn free_port() -> u16 {
    let own = 10_000 + (std::process::id() % 20_000) as u16;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (own..32_000).find(free).expect("a free port")
}

/// Clients that ask and check as fast as they can.
struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<(Arc<AtomicU64>, JoinHandle<()>)>,
}

impl Clients {
    /// `count` connections to `port`, each with what `session` makes of it: a function that asks
    /// and checks once.
    fn start<S>(count: u64, port: u16, session: fn(TcpStream, u64) -> S) -> Self
    where
        S: FnMut(u64) + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count).map(|number| {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_nodelay(true).expect("no delay");
            let (stop, done) = (stop.clone(), Arc::new(AtomicU64::new(0)));
            let counter = done.clone();
            let thread = std::thread::spawn(move || {
                let mut ask = session(stream, number);
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    ask(turn);
                    counter.store(turn + 1, Ordering::Relaxed);
                }
            });
            (done, thread)
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    /// Waits until every client has got two more answers.
    fn make_progress(&self) {
        for (done, thread) in &self.threads {
            let goal = done.load(Ordering::Relaxed) + 2;
            wait_for("an answer", || {
                assert!(!thread.is_finished(), "a client has given up");
                (done.load(Ordering::Relaxed) >= goal).then_some(())
            });
        }
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for (_, thread) in self.threads {
            thread.join().expect("no client saw a wrong answer");
        }
    }
}

/// Whether the program is there.
fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).exists())
}

/// One command of Redis's protocol.
fn redis_command(parts: &[&str]) -> String {
    let part = |part: &&str| format!("${}\r\n{part}\r\n", part.len());
    format!(
        "*{}\r\n{}",
        parts.len(),
        parts.iter().map(part).collect::<String>()
    )
}

fn redis_session(stream: TcpStream, number: u64) -> impl FnMut(u64) {
    let mut writer = stream.try_clone().expect("a second descriptor");
    let mut reader = BufReader::new(stream);
    let key = format!("client-{number}");
    move |turn| {
        let value = format!("value-{turn}");
        let old = (turn * 7919) % 100_000;
        let commands = [
            redis_command(&["SET", &key, &value]),
            redis_command(&["GET", &key]),
            redis_command(&["GET", &format!("key-{old}")]),
        ];
        writer
            .write_all(commands.concat().as_bytes())
            .expect("redis takes commands");
        let mut answers = [const { String::new() }; 5];
        for answer in &mut answers {
            reader.read_line(answer).expect("redis answers");
        }
        let [set, _, got, _, kept] = answers.each_ref().map(|answer| answer.trim_end());
        assert_eq!((set, got), ("+OK", value.as_str()));
        assert_eq!(kept, format!("{}", old * old));
    }
}

#[test]
fn redis_with_a_hundred_thousand_keys() {
    let judge = judge_or_skip!();
    need_or_skip!(installed("redis-server"), "redis-server is not installed");
    let server = Server::start("redis-server", |_, port| {
        let port = port.to_string();
        let options = ["--port", &port, "--bind", "127.0.0.1", "--save", ""];
        options.map(str::to_owned).into()
    });
    fill_redis(server.port);
    server.lives(judge, Clients::start(8, server.port, redis_session));
}

fn fill_redis(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("redis listens");
    for from in (0..100_000u64).step_by(1000) {
        let keys = from..from + 1000;
        let set = |n: u64| redis_command(&["SET", &format!("key-{n}"), &(n * n).to_string()]);
        let commands: String = keys.map(set).collect();
        stream
            .write_all(commands.as_bytes())
            .expect("redis takes commands");
        let mut answers = [0; 5000];
        stream.read_exact(&mut answers).expect("redis answers");
    }
}

fn nginx_session(stream: TcpStream, _: u64) -> impl FnMut(u64) {
    let mut writer = stream.try_clone().expect("a second descriptor");
    let mut reader = BufReader::new(stream);
    move |_| {
        writer
            .write_all(b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .expect("nginx takes requests");
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("nginx answers");
            if let Some(number) = line.strip_prefix("Content-Length: ") {
                length = number.trim().parse().expect("a length is a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("nginx sends it all");
        assert!(body == served_file(), "nginx sends another file");
    }
}

fn served_file() -> Vec<u8> {
    (0..300_000u32).map(|n| (n * 31 + n / 256) as u8).collect()
}

#[test]
fn nginx_under_load() {
    let judge = judge_or_skip!();
    need_or_skip!(installed("nginx"), "nginx is not installed");
    let server = Server::start("nginx", |dir, port| {
        let config = format!(
            "daemon off; user root; worker_processes 2; pid {0}/pid; error_log {0}/errors;\n\
             events {{ worker_connections 64; }}\n\
             http {{ access_log off; keepalive_requests 1000000; keepalive_timeout 600;\n\
             client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};\n\
             uwsgi_temp_path {0}; scgi_temp_path {0};\n\
             server {{ listen 127.0.0.1:{port}; root {0}; }} }}\n",
            dir.display()
        );
        fs::write(dir.join("file"), served_file()).expect("a new file");
        let path = dir.join("nginx.conf");
        fs::write(&path, config).expect("a new file");
        vec!["-c".into(), path.display().to_string()]
    });
    server.lives(judge, Clients::start(6, server.port, nginx_session));
}

fn asyncio_session(stream: TcpStream, number: u64) -> impl FnMut(u64) {
    let mut writer = stream.try_clone().expect("a second descriptor");
    let mut reader = BufReader::new(stream);
    move |turn| {
        let line = format!("client {number} turn {turn}\n");
        writer
            .write_all(line.as_bytes())
            .expect("the server takes lines");
        let mut answer = String::new();
        reader.read_line(&mut answer).expect("the server answers");
        assert_eq!(answer, format!("{} {line}", turn + 1));
    }
}

#[test]
fn a_python_asyncio_server() {
    let judge = judge_or_skip!();
    let server = Server::start("python3", |_, port| {
        let script = paths::script("asyncio_server.py");
        vec![script.display().to_string(), port.to_string()]
    });
    server.lives(judge, Clients::start(8, server.port, asyncio_session));
}

#[test]
fn sqlite_in_a_transaction() {
    let program = Program::script("python3", "sqlite.py").restless();
    let locks = &["--file-locks"];
    assert_resumes_with(&program, 10, locks);
    let judge = judge_or_skip!();
    let target = Target::spawn_for_restore(&program);
    assert_survives(judge, &target, locks, locks);
}
