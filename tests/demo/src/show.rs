//! The demo from its beginning to its end.
//!
//! Media, server, the service, the page, live posts; then, when a time was set, the check. Whatever happens, the
//! children are ended before it returns.

use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use discord_sim::{Options, Sim};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    check,
    clips::Clips,
    history,
    live::Live,
    objects,
    page::{self, Page},
    report::Report,
    server::Server,
    stage::{self, Company, Stage},
    truth::Truth,
};

/// A clip every few seconds: often enough to watch, seldom enough that making them costs little.
const BETWEEN_STEPS: Duration = Duration::from_secs(3);
/// How often a state that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The first publication takes some seconds, on a busy machine more.
const UNTIL_PAGE: Duration = Duration::from_mins(1);
/// What was posted last has to be read, copied, looked at and published, at the pace of a busy machine.
const UNTIL_SETTLED: Duration = Duration::from_mins(2);
/// Faults often have one cause; the first of them show it.
const FAULTS_TOLD: usize = 20;

/// How long the demo runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Until Ctrl-C.
    Open,
    /// This long; then everything is checked.
    Checked(Duration),
}

/// Gives the demo.
pub(crate) async fn give(length: Length) -> anyhow::Result<()> {
    let program = stage::program()?;
    let folder = stage::folder()?;
    let media = folder.join("media");
    let made = tokio::select! {
        made = Clips::make(&media) => Some(made.context("make media")?),
        () = interruption()? => None,
    };
    let Some((samples, clips)) = made else { return length.interrupted() };

    let began = Instant::now();
    let mut server = Server::found();
    history::write(&mut server, &samples).context("write the history")?;
    server.open_doors();
    let world = server.world.clone();
    let live = Live::new(server, clips, &samples).context("read the samples")?;
    let sim = Sim::start(world, Options::default()).await.context("start the simulated Discord")?;
    let stage = Stage::build(&folder, &sim)?;

    let company = stage.enter(&program)?;
    let show = Show { stage: &stage, sim: &sim, company, live, began };
    let outcome = show.run(length).await;
    if outcome.is_err() {
        tell(&format!("everything is left as it is in {}", stage.keep().display()));
    }
    outcome
}

struct Show<'a> {
    stage: &'a Stage,
    sim: &'a Sim,
    company: Company,
    live: Live,
    began: Instant,
}

impl Show<'_> {
    async fn run(mut self, length: Length) -> anyhow::Result<()> {
        let played = tokio::select! {
            played = self.play(length) => played,
            () = interruption()? => {
                tell("ending; Ctrl-C again ends it at once");
                self.leave().await?;
                return length.interrupted();
            }
        };
        let report = match played {
            Ok(report) => report,
            Err(error) => {
                // What went wrong first is what a person needs to hear.
                drop(self.leave().await);
                return Err(error);
            }
        };
        self.leave_and_look_again().await?;
        tell(&format!("everything that was posted is on the page, and nothing else\n\n{report}"));
        Ok(())
    }

    async fn play(&mut self, length: Length) -> anyhow::Result<Report> {
        self.wait_for_page().await?;
        tell(&self.announcement(length));
        self.post(length).await?;
        tell("no more posts; waiting until all of them are on the page");
        let truth = Truth::of(self.sim.world()).context("add up what was posted")?;
        let page = self.settle(&truth).await?;
        tell("looking at every object");
        let folder = self.stage.bucket();
        let mut faults = objects::faults(&folder, &truth, &page, self.live.dark()).await;
        let address = self.stage.address();
        faults.extend(objects::faults_over(&address, &truth, &page).await);
        let served = Page::read(&address).await.context("read the page's data at its address")?;
        faults.extend(check::faults(&truth, &served));
        agree(&faults)?;
        let publications = page.manifest.generation;
        Ok(Report::new(&truth, &self.sim.stats(), publications, self.began.elapsed()))
    }

    async fn wait_for_page(&mut self) -> anyhow::Result<()> {
        let address = self.stage.address();
        let there = async {
            while address.page().await.is_none() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            () = there => Ok(()),
            failure = self.company.unexpected_end() => Err(failure),
            () = tokio::time::sleep(UNTIL_PAGE) => bail!("no page after {} s", UNTIL_PAGE.as_secs()),
        }
    }

    fn announcement(&self, length: Length) -> String {
        let end = match length {
            Length::Open => "Ctrl-C ends everything".to_owned(),
            Length::Checked(time) => format!("It ends by itself after {} s", time.as_secs()),
        };
        let url = self.stage.url();
        format!(
            "\n  The page:  {url}\n\n  A simulated Discord server is being archived: two years of history, and \
             a new clip\n  every few seconds, which the page shows as it comes. {end}.\n"
        )
    }

    async fn post(&mut self, length: Length) -> anyhow::Result<()> {
        let mut clock = tokio::time::interval(BETWEEN_STEPS);
        loop {
            tokio::select! {
                failure = self.company.unexpected_end() => return Err(failure),
                _ = clock.tick() => {}
            }
            if length.is_time_to_settle(self.began.elapsed()) {
                return Ok(());
            }
            if let Some(said) = self.live.step().await? {
                tell(&format!("  {said}"));
            }
        }
    }

    /// Waits until the page's data says what is true.
    async fn settle(&mut self, truth: &Truth) -> anyhow::Result<Page> {
        let folder = self.stage.bucket();
        let deadline = Instant::now() + UNTIL_SETTLED;
        let mut known = None;
        let mut faults = Vec::new();
        while Instant::now() < deadline {
            let manifest = page::manifest(&folder).await.context("read the manifest")?;
            if known != Some(manifest.generation) {
                known = Some(manifest.generation);
                // Shards that a newer manifest no longer names are kept for an hour.
                let page = Page::below(&folder, manifest).await.context("read the page's data")?;
                faults = check::faults(truth, &page);
                if faults.is_empty() {
                    return Ok(page);
                }
            }
            tokio::select! {
                failure = self.company.unexpected_end() => return Err(failure),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        agree(&faults)?;
        bail!("nothing was published")
    }

    /// An orderly end changes nothing about what is shown.
    async fn leave_and_look_again(self) -> anyhow::Result<()> {
        let (stage, sim) = (self.stage, self.sim);
        self.leave().await?;
        let truth = Truth::of(sim.world()).context("add up what was posted")?;
        let page = Page::read(&stage.bucket()).await.context("read the page's data")?;
        let mut faults = check::faults(&truth, &page);
        faults.extend(sim.violations());
        let avoidable = sim.stats().avoidable;
        if avoidable > 0 {
            faults
                .push(format!("{avoidable} answers 429 would have been avoided by better manners"));
        }
        agree(&faults)
    }

    /// Ends the children; a second interruption kills them.
    async fn leave(self) -> anyhow::Result<()> {
        tokio::select! {
            ended = self.company.leave() => ended,
            // Dropping the company kills it.
            () = interruption()? => bail!("ended at once"),
        }
    }
}

impl Length {
    /// Who waits for a verdict must not take an interruption for a good one.
    fn interrupted(self) -> anyhow::Result<()> {
        match self {
            Self::Open => Ok(()),
            Self::Checked(_) => bail!("interrupted before anything was checked"),
        }
    }

    /// A sixth of the time is kept for the last posts to arrive.
    fn is_time_to_settle(self, elapsed: Duration) -> bool {
        match self {
            Self::Open => false,
            Self::Checked(time) => elapsed >= time * 5 / 6,
        }
    }
}

fn agree(faults: &[String]) -> anyhow::Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let count = faults.len();
    let told = faults[..count.min(FAULTS_TOLD)].join("\n  ");
    bail!("the page does not show what was posted: {count} faults, the first of them\n  {told}")
}

/// Ends when somebody wants the demo to end: by Ctrl-C, a service manager, or a terminal that closes.
fn interruption() -> anyhow::Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).context("listen for signals");
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let mut hangup = listen(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Writes a line above the service's own progress, which a terminal shows in its last line.
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    let clear = if out.is_terminal() { "\r\x1b[2K" } else { "" };
    // A terminal that is gone is no reason to leave children behind.
    drop(writeln!(out, "{clear}{text}").and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posting_stops_in_time() {
        let minute = Length::Checked(Duration::from_mins(1));
        assert!(!minute.is_time_to_settle(Duration::from_secs(49)));
        assert!(minute.is_time_to_settle(Duration::from_secs(50)));
        assert!(minute.interrupted().is_err() && Length::Open.interrupted().is_ok());
        assert!(!Length::Open.is_time_to_settle(Duration::MAX));
        assert!(Length::Checked(Duration::ZERO).is_time_to_settle(Duration::ZERO));
    }

    #[test]
    fn faults_are_counted_and_the_first_of_them_told() {
        agree(&[]).unwrap();
        let faults: Vec<_> = (0..50).map(|n| format!("fault {n}.")).collect();
        let told = agree(&faults).unwrap_err().to_string();
        assert!(
            told.contains("50 faults") && told.contains("fault 19.") && !told.contains("fault 20.")
        );
    }
}
