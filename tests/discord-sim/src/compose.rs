//! What tests hand to [`World`](crate::World): channels, messages and files before they exist.
//!
//! Builders only: they become real, with an id and a time, when the world takes them.

use serde_json::{Value, json};

use crate::{
    content::Content,
    ids::{AttachmentId, ChannelId, MessageId, UserId},
    model::{Kind, Overwrite},
};

/// A channel to be created.
#[derive(Clone, Debug)]
pub struct NewChannel {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) topic: Option<String>,
    pub(crate) parent: Option<ChannelId>,
    pub(crate) nsfw: bool,
    pub(crate) flags: u64,
    pub(crate) overwrites: Vec<Overwrite>,
    pub(crate) at: Option<u64>,
}

impl NewChannel {
    /// A channel of any kind but the threads'.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            topic: None,
            parent: None,
            nsfw: false,
            flags: 0,
            overwrites: Vec::new(),
            at: None,
        }
    }

    /// An ordinary text channel.
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(Kind::Text, name)
    }

    /// Puts it under a category.
    #[must_use]
    pub fn under(mut self, category: ChannelId) -> Self {
        self.parent = Some(category);
        self
    }

    /// What the channel is about.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Age-restricted.
    #[must_use]
    pub fn nsfw(mut self) -> Self {
        self.nsfw = true;
        self
    }

    /// Discord's channel flags, for instance `1 << 15` for hidden download options.
    #[must_use]
    pub fn flags(mut self, flags: u64) -> Self {
        self.flags = flags;
        self
    }

    /// Adds an exception from the server's permissions.
    #[must_use]
    pub fn overwrite(mut self, overwrite: Overwrite) -> Self {
        self.overwrites.push(overwrite);
        self
    }

    /// When it was created (unix milliseconds); otherwise now.
    #[must_use]
    pub fn at(mut self, millis: u64) -> Self {
        self.at = Some(millis);
        self
    }
}

/// A file to be posted with a message.
#[derive(Clone, Debug)]
pub struct NewAttachment {
    pub(crate) filename: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) dimensions: Option<(u32, u32)>,
    pub(crate) duration: Option<f64>,
    pub(crate) waveform: Option<String>,
    pub(crate) placeholder: Option<String>,
    pub(crate) flags: u64,
    pub(crate) content: Content,
}

impl NewAttachment {
    /// A file; its type is guessed from the name as Discord does, unknown ones have none.
    pub fn new(filename: impl Into<String>, content: impl Into<Content>) -> Self {
        let filename = filename.into();
        Self {
            content_type: guess_type(&filename).map(str::to_owned),
            filename,
            title: None,
            description: None,
            dimensions: None,
            duration: None,
            waveform: None,
            placeholder: None,
            flags: 0,
            content: content.into(),
        }
    }

    /// The name it had before Discord made a plain one of it.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// The alternative text.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// What Discord says it is; `None` leaves the field out.
    #[must_use]
    pub fn content_type(mut self, content_type: Option<&str>) -> Self {
        self.content_type = content_type.map(str::to_owned);
        self
    }

    /// Width and height.
    #[must_use]
    pub fn dimensions(mut self, width: u32, height: u32) -> Self {
        self.dimensions = Some((width, height));
        self
    }

    /// Seconds.
    #[must_use]
    pub fn duration(mut self, seconds: f64) -> Self {
        self.duration = Some(seconds);
        self
    }

    /// The thumbhash in base64.
    #[must_use]
    pub fn placeholder(mut self, thumbhash: impl Into<String>) -> Self {
        self.placeholder = Some(thumbhash.into());
        self
    }

    /// The drawing of a voice message, in base64.
    #[must_use]
    pub fn waveform(mut self, waveform: impl Into<String>) -> Self {
        self.waveform = Some(waveform.into());
        self
    }

    /// Discord's attachment flags, for instance `1 << 3` for a spoiler.
    #[must_use]
    pub fn flags(mut self, flags: u64) -> Self {
        self.flags = flags;
        self
    }
}

/// A message to be posted.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    pub(crate) author: Option<UserId>,
    pub(crate) content: String,
    pub(crate) attachments: Vec<NewAttachment>,
    pub(crate) uploads: Vec<NewAttachment>,
    pub(crate) embeds: Vec<Value>,
    pub(crate) components: Vec<Value>,
    pub(crate) stickers: Vec<Value>,
    pub(crate) poll: Option<Value>,
    pub(crate) kind: u64,
    pub(crate) flags: u64,
    pub(crate) webhook: bool,
    pub(crate) mentions: Vec<UserId>,
    pub(crate) reply_to: Option<(ChannelId, MessageId)>,
    pub(crate) forward_of: Option<(ChannelId, MessageId)>,
    pub(crate) at: Option<u64>,
}

impl NewMessage {
    /// A message with a text; by the server's owner unless [`by`](Self::by) says otherwise.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), ..Self::default() }
    }

    /// Another text.
    #[must_use]
    pub fn saying(mut self, content: impl Into<String>) -> Self {
        self.content = content.into();
        self
    }

    /// Who wrote it.
    #[must_use]
    pub fn by(mut self, author: UserId) -> Self {
        self.author = Some(author);
        self
    }

    /// When (unix milliseconds); otherwise now.
    #[must_use]
    pub fn at(mut self, millis: u64) -> Self {
        self.at = Some(millis);
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn attach(mut self, attachment: NewAttachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// Uploads a file that only embeds or components show: `sim:0` in them means the first of these.
    #[must_use]
    pub fn upload(mut self, attachment: NewAttachment) -> Self {
        self.uploads.push(attachment);
        self
    }

    /// Adds an embed as Discord writes it.
    #[must_use]
    pub fn embed(mut self, embed: Value) -> Self {
        self.embeds.push(embed);
        self
    }

    /// Adds a component and says that the message consists of such (`IS_COMPONENTS_V2`).
    #[must_use]
    pub fn component(mut self, component: Value) -> Self {
        self.components.push(component);
        self.flags |= 1 << 15;
        self
    }

    /// Adds a sticker by id, name and format (1 PNG, 2 APNG, 3 Lottie, 4 GIF).
    #[must_use]
    pub fn sticker(mut self, id: u64, name: &str, format: u64) -> Self {
        self.stickers.push(json!({ "id": id.to_string(), "name": name, "format_type": format }));
        self
    }

    /// Makes it a poll.
    #[must_use]
    pub fn poll(mut self, poll: Value) -> Self {
        self.poll = Some(poll);
        self
    }

    /// Discord's message type; 0 is an ordinary one.
    #[must_use]
    pub fn kind(mut self, kind: u64) -> Self {
        self.kind = kind;
        self
    }

    /// Adds message flags, for instance `1 << 13` for a voice message.
    #[must_use]
    pub fn flags(mut self, flags: u64) -> Self {
        self.flags |= flags;
        self
    }

    /// Written through a webhook: its author is no account.
    #[must_use]
    pub fn webhook(mut self) -> Self {
        self.webhook = true;
        self
    }

    /// Mentions an account.
    #[must_use]
    pub fn mention(mut self, user: UserId) -> Self {
        self.mentions.push(user);
        self
    }

    /// Answers another message.
    #[must_use]
    pub fn reply_to(mut self, channel: ChannelId, message: MessageId) -> Self {
        self.reply_to = Some((channel, message));
        self.kind = 19;
        self
    }

    /// Forwards another message: its files are copied, as Discord does.
    #[must_use]
    pub fn forward_of(mut self, channel: ChannelId, message: MessageId) -> Self {
        self.forward_of = Some((channel, message));
        self.flags |= 1 << 14;
        self
    }
}

/// What an edit changes; what it does not name stays.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    pub(crate) content: Option<String>,
    pub(crate) embeds: Option<Vec<Value>>,
    pub(crate) remove: Vec<AttachmentId>,
    pub(crate) silent: bool,
}

impl Edit {
    /// Another text.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: Some(content.into()), ..Self::default() }
    }

    /// Link embeds that come late, without an edit by the author: `edited_timestamp` stays.
    pub fn late_embeds(embeds: Vec<Value>) -> Self {
        Self { embeds: Some(embeds), silent: true, ..Self::default() }
    }

    /// Takes a file away.
    #[must_use]
    pub fn without(mut self, attachment: AttachmentId) -> Self {
        self.remove.push(attachment);
        self
    }
}

/// What Discord says a file is, judged by its name alone.
fn guess_type(filename: &str) -> Option<&'static str> {
    let (_, extension) = filename.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mkv" => "video/x-matroska",
        "avi" => "video/x-msvideo",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/x-wav",
        "txt" | "log" => "text/plain; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" => "application/json; charset=utf-8",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        _ => return None,
    })
}
