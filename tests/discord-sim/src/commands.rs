//! Commands in JSON, a line each, by which a judge in another language or the demo moves the world.
//!
//! `{"do": "post", "channel": "1", "content": "hi"}` answers `{"message": "2"}`, a mistake `{"error": "…"}`.

use std::str::FromStr;

use discord_sim::{
    ChannelId, Content, Edit, GuildId, Kind, NewAttachment, NewChannel, NewMessage, NewThread,
    Placement, Sim, TruthMessage, UserId,
};
use serde_json::{Value, json};

/// Does what one line says.
pub(crate) fn obey(sim: &Sim, guild: GuildId, line: &str) -> Value {
    let command = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"));
    let done = command.and_then(|value| Command { sim, guild, value }.run());
    done.unwrap_or_else(|error| json!({ "error": error }))
}

struct Command<'a> {
    sim: &'a Sim,
    guild: GuildId,
    value: Value,
}

impl Command<'_> {
    fn run(&self) -> Result<Value, String> {
        let (world, gateway) = (self.sim.world(), self.sim.gateway());
        match self.text("do")? {
            "create_user" => {
                let user = world.create_user(self.text("name")?);
                world.join(self.guild, user);
                return Ok(json!({ "user": user }));
            }
            "create_channel" => {
                let mut new = NewChannel::new(self.kind()?, self.text("name")?);
                if let Some(parent) = self.optional("parent")? {
                    new = new.under(parent);
                }
                let channel = world.create_channel(self.guild, new);
                return Ok(json!({ "channel": channel }));
            }
            "create_thread" => {
                let new = NewThread::public(self.text("name")?);
                return Ok(json!({ "channel": world.create_thread(self.id("channel")?, new) }));
            }
            "create_post" => {
                let (name, opening) = (self.text("name")?, self.message()?);
                let post = world.create_post(self.id("channel")?, name, opening);
                return Ok(json!({ "channel": post }));
            }
            "post" => {
                let message = world.post(self.id("channel")?, self.message()?);
                return Ok(json!({ "message": message }));
            }
            "archive_thread" => world.archive_thread(self.id("channel")?),
            "edit" => {
                let edit = Edit::text(self.text("content")?);
                world.edit(self.id("channel")?, self.id("message")?, edit);
            }
            "delete" => world.delete(self.id("channel")?, self.id("message")?),
            "cut" => gateway.cut(),
            "reconnect" => gateway.reconnect(),
            "invalidate" => gateway.invalidate(),
            "stats" => return Ok(self.stats()),
            "violations" => return Ok(json!(self.sim.violations())),
            "places" => return Ok(self.places()),
            "messages" => {
                let messages = world.messages(self.id::<ChannelId>("channel")?);
                return messages
                    .iter()
                    .filter(|message| message.deleted.is_none())
                    .map(tell)
                    .collect();
            }
            "expected" => return world.expected().iter().map(tell).collect(),
            unknown => return Err(format!("do not know how to {unknown}")),
        }
        Ok(json!({}))
    }

    /// The message that a command describes: `content`, `by`, `at` and one `file` with its measures.
    fn message(&self) -> Result<NewMessage, String> {
        let mut new = NewMessage::text(self.value["content"].as_str().unwrap_or_default());
        if let Some(author) = self.optional::<UserId>("by")? {
            new = new.by(author);
        }
        if let Some(at) = self.value["at"].as_u64() {
            new = new.at(at);
        }
        let Some(path) = self.value["file"].as_str() else { return Ok(new) };
        let content = Content::file(path).map_err(|error| format!("{path}: {error}"))?;
        let own_name = path.rsplit('/').next().unwrap_or(path);
        let mut file =
            NewAttachment::new(self.value["filename"].as_str().unwrap_or(own_name), content);
        let measure = |key: &str| self.value[key].as_u64().and_then(|n| u32::try_from(n).ok());
        if let (Some(width), Some(height)) = (measure("width"), measure("height")) {
            file = file.dimensions(width, height);
        }
        if let Some(seconds) = self.value["duration"].as_f64() {
            file = file.duration(seconds);
        }
        if let Some(title) = self.value["title"].as_str() {
            file = file.title(title);
        }
        Ok(new.attach(file))
    }

    fn kind(&self) -> Result<Kind, String> {
        match self.value["kind"].as_str().unwrap_or("text") {
            "text" => Ok(Kind::Text),
            "voice" => Ok(Kind::Voice),
            "category" => Ok(Kind::Category),
            "announcement" => Ok(Kind::Announcement),
            "stage" => Ok(Kind::Stage),
            "forum" => Ok(Kind::Forum),
            "media" => Ok(Kind::Media),
            unknown => Err(format!("no kind of channel is called {unknown}")),
        }
    }

    fn stats(&self) -> Value {
        let stats = self.sim.stats();
        json!({
            "requests": stats.requests,
            "identifies": stats.identifies,
            "resumes": stats.resumes,
            "limited": stats.limited,
            "avoidable": stats.avoidable,
            "downloads": stats.total_downloads(),
            "bytes": stats.total_bytes(),
        })
    }

    fn places(&self) -> Value {
        let places = self.sim.world().places();
        let tell = |place: &discord_sim::Place| {
            json!({
                "id": place.id,
                "kind": place.kind as u8,
                "name": place.name,
                "parent": place.parent,
                "archived": place.archived,
                "readable": place.readable,
                "public": place.public,
            })
        };
        places.iter().map(tell).collect()
    }

    fn text(&self, key: &str) -> Result<&str, String> {
        self.value[key].as_str().ok_or_else(|| format!("{key} is missing or no string"))
    }

    fn id<T: FromStr>(&self, key: &str) -> Result<T, String> {
        self.optional(key)?.ok_or_else(|| format!("{key} is missing"))
    }

    fn optional<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.value[key].as_str() else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("{key} is no id: {text}"))
    }
}

/// A message with the files that stand in its own list.
fn tell(message: &TruthMessage) -> Result<Value, String> {
    let mut files = Vec::new();
    for file in message.attachments.iter().filter(|file| file.removed.is_none()) {
        if file.placement == Placement::Listed {
            let sums =
                file.content.sums().map_err(|error| format!("{}: {error}", file.filename))?;
            files.push(json!({
                "id": file.id,
                "name": file.filename,
                "size": file.content.size(),
                "sha256": sums.sha256,
            }));
        }
    }
    Ok(json!({
        "id": message.id,
        "channel": message.channel,
        "author": message.author,
        "content": message.content,
        "files": files,
    }))
}

#[cfg(test)]
mod tests {
    use discord_sim::{Options, World};

    use super::*;

    #[tokio::test]
    async fn the_demo_builds_its_server_by_commands() {
        let world = World::new(1);
        let guild = world.create_guild("g");
        let sim = Sim::start(world.clone(), Options::default()).await.unwrap();
        let run = |command: Value| {
            let answer = obey(&sim, guild, &command.to_string());
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            answer
        };
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let user = run(json!({ "do": "create_user", "name": "Ada" }))["user"].clone();
        let forum = run(json!({ "do": "create_channel", "kind": "forum", "name": "f" }));
        let post = run(json!({
            "do": "create_post", "channel": forum["channel"], "name": "p", "by": user,
            "content": "look", "file": file, "filename": "clip.mp4", "at": 1_700_000_000_000_u64,
            "width": 64, "height": 32, "duration": 1.5,
        }));
        run(json!({ "do": "archive_thread", "channel": post["channel"] }));
        let expected = run(json!({ "do": "expected" }));
        assert_eq!(expected[0]["channel"], post["channel"]);
        assert_eq!(expected[0]["author"], user);
        assert_eq!(expected[0]["files"][0]["name"], "clip.mp4");
        let sums = Content::file(file).unwrap().sums().unwrap().clone();
        assert_eq!(expected[0]["files"][0]["sha256"], sums.sha256);
        let place = world.places().into_iter().find(|place| place.name == "p").unwrap();
        assert!(place.archived);
        assert!(obey(&sim, guild, "{}").get("error").is_some());
        assert!(obey(&sim, guild, "nonsense").get("error").is_some());
    }
}
