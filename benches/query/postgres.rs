//! The questions to PostgreSQL, with a relational schema as one naturally writes it: images, the beginnings of their layers, tags,
//! and the versions of classes; an index for each question. It runs on this machine, from Debian's package.

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::history::{CLASSES, Data};

const SCHEMA: &str = "
create table image(id int primary key, digest text, repository text, chain bigint);
create table beginning(image int, chain bigint, depth int);
create table tag(name text primary key, image int);
create table version(class text, number int, chain bigint, current bool);
";

const INDEXES: &str = "
create index on image(chain);
create index on image(repository, digest);
create index on beginning(chain, image);
create index on beginning(image);
create index on tag(image);
create index on version(chain);
create materialized view membership as
  select distinct on (b.image, v.class) b.image, v.class, v.current
  from version v join beginning b on b.chain = v.chain order by b.image, v.class, b.depth desc, v.number desc;
create index on membership(class, current, image);
create index on membership(image);
analyze;
";

struct Server {
    binaries: PathBuf,
    dir: PathBuf,
}

impl Server {
    /// Whoever is root runs it as the user that Debian's package has made: PostgreSQL refuses root.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    }

    fn start(dir: &Path) -> Self {
        let versions = std::fs::read_dir("/usr/lib/postgresql");
        let versions = versions.expect("PostgreSQL is missing: apt-get install postgresql");
        let newest = versions.map(|entry| entry.unwrap().path()).max().unwrap();
        let server = Self { binaries: newest.join("bin"), dir: dir.join("postgres") };
        std::fs::create_dir(&server.dir).unwrap();
        run(Command::new("chmod").args(["-R", "a+rwX"]).arg(dir));
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(&server.dir));
        }
        run(server
            .command("initdb")
            .args(["-A", "trust", "-U", "postgres", "-D"])
            .arg(server.dir.join("db")));
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c shared_buffers=2GB -c work_mem=256MB \
             -c maintenance_work_mem=1GB -c max_wal_size=8GB -c synchronous_commit=off",
            server.dir.display()
        );
        run(server
            .command("pg_ctl")
            .args(["-w", "-o", &options, "-l"])
            .arg(server.dir.join("log"))
            .arg("-D")
            .arg(server.dir.join("db"))
            .arg("start"));
        server
    }

    /// The output of psql for these statements.
    fn sql(&self, statements: &str) -> String {
        let file = self.dir.join("statements.sql");
        std::fs::write(&file, statements).unwrap();
        let mut command = self.command("psql");
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(&self.dir)
            .arg("-f")
            .arg(&file);
        let told = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(told.status.success());
        String::from_utf8(told.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        run(self.command("pg_ctl").args(["-m", "immediate", "-D"]).arg(self.dir.join("db")).arg("stop"));
    }
}

fn run(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// The times of the questions that all answer, the least of five once warm; and how long it takes to load everything.
pub(crate) fn times(data: &Data, dir: &Path) -> Vec<String> {
    let server = Server::start(dir);
    let begun = std::time::Instant::now();
    server.sql(SCHEMA);
    load(&server, data);
    server.sql(INDEXES);
    println!(
        "(PostgreSQL was loaded and indexed in {:.0} s, with its memberships as a table that is made once)",
        begun.elapsed().as_secs_f64()
    );
    let base = data.digests[data.outdated_base() as usize];
    let questions = [
        "select t.name from tag t join membership m on m.image = t.image where m.class = 'rhel7' and not m.current order by t.name limit 100".to_owned(),
        "select class, count(*), count(*) filter (where not current) from membership group by class".to_owned(),
        format!("select i.digest from beginning b join image i on i.id = b.image where b.chain = (select chain from image where digest = '{base}' and id = {}) order by i.repository, i.digest limit 100", data.outdated_base()),
        format!("select a.digest from beginning b join image a on a.chain = b.chain where b.image = {} order by b.depth desc", data.digests.len() - 1),
    ];
    questions.iter().map(|question| server.least(question)).collect()
}

impl Server {
    fn least(&self, question: &str) -> String {
        let mut statements = "\\timing on\n\\o /dev/null\n".to_owned();
        for _ in 0..6 {
            let _ = writeln!(statements, "{question};");
        }
        let told = self.sql(&statements);
        let times = told
            .lines()
            .filter_map(|line| line.strip_prefix("Time: ")?.split(' ').next()?.parse::<f64>().ok());
        format!("{:.2} ms", times.fold(f64::INFINITY, f64::min))
    }
}

fn load(server: &Server, data: &Data) {
    let file = |name: &str| server.dir.join(name);
    let writer = |name: &str| BufWriter::new(std::fs::File::create(file(name)).unwrap());
    // The number of a chain stands for its chain ID, which would take more room.
    let mut numbers = std::collections::HashMap::new();
    let (mut images, mut beginnings) = (writer("image"), writer("beginning"));
    let mut last_of = Vec::new();
    for (id, layers) in data.layers.iter().enumerate() {
        let mut chain = 0_u64;
        for (depth, layer) in (1..).zip(layers) {
            let next = numbers.len() as u64 + 1;
            chain = *numbers.entry((chain, *layer)).or_insert(next);
            writeln!(beginnings, "{id}\t{chain}\t{depth}").unwrap();
        }
        last_of.push(chain);
        writeln!(images, "{id}\t{}\t{}\t{chain}", data.digests[id], data.repositories[id]).unwrap();
    }
    let mut tags = writer("tag");
    for (name, targets) in &data.tags {
        if let Some(image) = targets.first() {
            writeln!(tags, "{name}\t{image}").unwrap();
        }
    }
    let mut versions = writer("version");
    for ((class, _), of) in CLASSES.iter().zip(&data.versions) {
        for (number, of_version) in of.iter().enumerate() {
            for image in of_version {
                let (chain, current) = (last_of[*image as usize], number + 1 == of.len());
                writeln!(versions, "{class}\t{number}\t{chain}\t{current}").unwrap();
            }
        }
    }
    for mut writer in [images, beginnings, tags, versions] {
        writer.flush().unwrap();
    }
    run(Command::new("chmod").args(["-R", "a+rX"]).arg(&server.dir));
    let copies = ["image", "beginning", "tag", "version"]
        .map(|name| format!("copy {name} from '{}';\n", file(name).display()));
    server.sql(&copies.concat());
}
