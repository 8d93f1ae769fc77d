//! Runs the client against mail servers that others have written, and compares what is delivered with
//! what was sent, octet by octet.

mod certs;
mod compare;
mod install;
mod ledger;
mod process;
mod servers;
mod service;
mod store;
mod suite;
mod table;
mod target;
mod trial;
mod view;
mod workspace;

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use lexopt::{
    Arg::{Long, Short, Value},
    ValueExt,
};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    task::{LocalSet, spawn_blocking, spawn_local},
};

use certs::Certs;
use install::Cache;
use servers::{Problem, RECIPES, Recipe, Site};
use service::Service;
use suite::{Case, cases};
use table::{Column, NotStarted, Table};
use trial::Trial;
use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask interop [OPTIONS] [SERVER]...

Fetches mail servers, starts them on loopback, sends to them, and compares what they deliver with
what was sent. Without SERVER it takes all. What it has started ends with it, however it ends.

  --case TEXT       runs only the cases whose name has this text
  --list            prints the names of the servers and of the cases
  --markdown FILE   writes the table into this file too, between its two markers
  --cache DIR       what was fetched (default: .ci/cache/interop)
  --examples DIR    the examples of smtp-server, which `cargo xtask interop` builds
  --jobs N          runs so many servers at the same time (default: 4)
  --times           prints the cases that take more than a second
  --keep            keeps the folder with the logs of the servers, and prints its name
  --help            prints this text

exit status:
  0        every case passed, or is a known difference, or cannot be tried with its server
  1        a case has a fault
  2        wrong usage, or the run could not begin
  3        no fault, but a server could not be fetched or started; the table says why
  130, 143 interrupted by SIGINT or SIGTERM; nothing is left running";

const BEGIN: &str = "<!-- table:begin -->";
const END: &str = "<!-- table:end -->";

struct Options {
    recipes: Vec<&'static Recipe>,
    case: Option<String>,
    markdown: Option<PathBuf>,
    cache: PathBuf,
    examples: Option<PathBuf>,
    /// How many servers run at the same time: most of them wait most of the time.
    jobs: NonZeroUsize,
    keep: bool,
    times: bool,
}

fn main() -> ExitCode {
    match parse() {
        Ok(Some(options)) => run(&options).unwrap_or_else(|problem| {
            eprintln!("interop: {problem}");
            ExitCode::from(2)
        }),
        Ok(None) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("interop: {problem}\n\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Parses the arguments; `None` if they asked for a text, which was printed.
fn parse() -> Result<Option<Options>, Problem> {
    let mut options = Options {
        recipes: Vec::new(),
        case: None,
        markdown: None,
        cache: ".ci/cache/interop".into(),
        examples: None,
        jobs: NonZeroUsize::MIN.saturating_add(3),
        keep: false,
        times: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("case") => options.case = Some(parser.value()?.string()?),
            Long("markdown") => options.markdown = Some(parser.value()?.into()),
            Long("cache") => options.cache = parser.value()?.into(),
            Long("examples") => options.examples = Some(parser.value()?.into()),
            Long("jobs") => options.jobs = parser.value()?.parse()?,
            Long("keep") => options.keep = true,
            Long("times") => options.times = true,
            Long("list") => {
                for Recipe { name, about, .. } in RECIPES {
                    println!("{name:16} {about}");
                }
                cases().iter().for_each(|case| println!("  {}", case.name));
                return Ok(None);
            }
            Long("help") | Short('h') => {
                println!("{USAGE}");
                return Ok(None);
            }
            Value(name) => {
                let name = name.string()?;
                let recipe = RECIPES.iter().find(|recipe| recipe.name == name);
                options
                    .recipes
                    .push(recipe.ok_or_else(|| format!("no server `{name}`; see --list"))?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if options.recipes.is_empty() {
        options.recipes = RECIPES.iter().collect();
    }
    Ok(Some(options))
}

fn run(options: &Options) -> Result<ExitCode, Problem> {
    let mut workspace = Workspace::new()?;
    if options.keep {
        println!("logs: {}", workspace.keep().display());
    }
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let certs = Certs::make(&workspace.folder().join("tls")).map_err(|error| error.to_string())?;
    let cache = Arc::new(Cache::new(&options.cache)?);
    let site = |recipe: &Recipe| Site {
        folder: workspace.folder().join(recipe.name),
        certs: certs.clone(),
        cache: cache.clone(),
        examples: options.examples.clone(),
    };
    let chosen = |case: &Case| options.case.as_ref().is_none_or(|text| case.name.contains(text));
    let cases: Rc<Vec<Case>> = Rc::new(cases().into_iter().filter(chosen).collect());
    let sites = options.recipes.iter().map(|recipe| (*recipe, site(recipe)));
    let tried = try_all(sites.collect(), cases, options);

    let local = LocalSet::new();
    let ended = local.block_on(&runtime, async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            table = tried => Ok::<_, Problem>(Ok(table)),
            _ = interrupt.recv() => Ok(Err(130)),
            _ = terminate.recv() => Ok(Err(143)),
        }
    });
    // The servers end here, if they have not before.
    drop(local);
    runtime.shutdown_background();
    match ended? {
        Ok(table) => report(&table, options.markdown.as_deref()),
        Err(status) => {
            eprintln!("interop: interrupted; every server was stopped");
            Ok(ExitCode::from(status))
        }
    }
}

/// Tries the servers, a few at a time.
async fn try_all(
    sites: Vec<(&'static Recipe, Site)>,
    cases: Rc<Vec<Case>>,
    options: &Options,
) -> Table {
    let (jobs, times) = (options.jobs.get(), options.times);
    let places = Rc::new(Semaphore::new(jobs));
    let begin = |(recipe, site): (&'static Recipe, Site)| {
        let (cases, places) = (cases.clone(), places.clone());
        let trying = async move {
            let _place = places.acquire().await?;
            try_one(recipe, site, &cases, times).await
        };
        (recipe, spawn_local(trying))
    };
    let running: Vec<_> = sites.into_iter().map(begin).collect();
    let mut table = Table::default();
    for (recipe, task) in running {
        match task.await.unwrap_or_else(|error| Err(error.to_string().into())) {
            Ok(columns) => table.columns.extend(columns),
            Err(problem) => {
                let (name, reason) = (recipe.name.to_owned(), problem.to_string());
                table.not_started.push(NotStarted { name, reason });
            }
        }
    }
    table
}

async fn try_one(
    recipe: &'static Recipe,
    site: Site,
    cases: &[Case],
    times: bool,
) -> Result<Vec<Column>, Problem> {
    let begun = Instant::now();
    fs::create_dir_all(&site.folder)?;
    let certs = site.certs.clone();
    let prepared = spawn_blocking(move || (recipe.prepare)(&site)).await??;
    let service = Service::new(prepared.launch, &prepared.targets);
    service.start().await?;
    let ready = begun.elapsed();
    let mut columns = Vec::new();
    for target in &prepared.targets {
        let trial = Trial::new(target, &service, &certs);
        let mut outcomes = Vec::new();
        for case in cases {
            let begun = Instant::now();
            outcomes.push((case.name.clone(), suite::run(case, &trial).await));
            if times && begun.elapsed().as_secs() > 0 {
                eprintln!("{}: {}: {:.1?}", target.name, case.name, begun.elapsed());
            }
        }
        outcomes.push(("nothing else is delivered".to_owned(), suite::audit(&trial).await));
        let (name, version) = (target.name.to_owned(), prepared.version.clone());
        columns.push(Column { name, version, outcomes });
    }
    service.stop();
    let name = recipe.name;
    eprintln!("{name}: ready after {ready:.1?}, done after {:.1?}", begun.elapsed());
    Ok(columns)
}

fn report(table: &Table, markdown: Option<&Path>) -> Result<ExitCode, Problem> {
    let text = table.markdown();
    println!("{text}");
    println!("{}", table::LEGEND);
    print!("{}", table.transcripts());
    if let Some(path) = markdown {
        let file = fs::read_to_string(path)?;
        let missing = || format!("{} has no `{BEGIN}` before a `{END}`", path.display());
        let (head, rest) = file.split_once(BEGIN).ok_or_else(missing)?;
        let (_, tail) = rest.split_once(END).ok_or_else(missing)?;
        fs::write(path, format!("{head}{BEGIN}\n{text}{END}{tail}"))?;
    }
    let faults = table.faults();
    if faults > 0 {
        println!("interop: {faults} faults");
        return Ok(ExitCode::from(1));
    }
    if !table.not_started.is_empty() {
        println!("interop: no faults; {} servers were not run", table.not_started.len());
        return Ok(ExitCode::from(3));
    }
    println!("interop: no faults");
    Ok(ExitCode::SUCCESS)
}
