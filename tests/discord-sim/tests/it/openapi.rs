//! Discord's own description judges every answer, and every route that the simulator knows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use discord_sim::{
    Content, Fault, Kind, MANAGE_THREADS, NewAttachment, NewChannel, NewMessage, NewThread,
    Overwrite, Rule, Scope, Spec, Subject, Target, World, routes,
};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::client::Bot;

struct Description(Value);

impl Description {
    /// Discord's description with the patches applied.
    fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi");
        let file = |name| fs::read_to_string(folder.join(name)).unwrap();
        let mut document: Value = serde_json::from_str(&file("discord.json")).unwrap();
        let patches: Vec<Value> = serde_json::from_str(&file("patches.json")).unwrap();
        for patch in &patches {
            let (parent, key) = patch["at"].as_str().unwrap().rsplit_once('/').unwrap();
            let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{patch}"));
            match parent {
                Value::Array(items) => items.push(patch["value"].clone()),
                Value::Object(fields) => {
                    let before = fields.insert(key.to_owned(), patch["value"].clone());
                    assert_ne!(before.as_ref(), Some(&patch["value"]), "{patch} is needless");
                }
                _ => panic!("{patch} points at no container"),
            }
        }
        forbid_unknown_fields(&mut document["components"]["schemas"]);
        Self(document)
    }

    fn operation(&self, name: &str) -> (&str, &str, &Value) {
        let paths = self.0["paths"].as_object().unwrap();
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().unwrap() {
                if operation["operationId"] == name {
                    return (path, method, operation);
                }
            }
        }
        panic!("{name} is not in the description");
    }

    /// The validator of an operation's answer; for statuses it does not list, of errors.
    fn answer(&self, name: &str, status: u16) -> Validator {
        let (_, _, operation) = self.operation(name);
        let responses = &operation["responses"];
        let class = match status {
            429 => "429",
            400..500 => "4XX",
            _ => "",
        };
        let mut response = &responses[status.to_string()];
        if response.is_null() {
            response = &responses[class];
        }
        if let Some(reference) = response["$ref"].as_str() {
            response = self.0.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{name} has no schema for {status}");
        self.compile(schema)
    }

    fn compile(&self, schema: &Value) -> Validator {
        let root = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.0["components"],
        });
        jsonschema::options().should_validate_formats(true).build(&root).unwrap()
    }
}

/// An object's schema that lists properties lists all of them, unless it is a part of another's `allOf`.
fn forbid_unknown_fields(schemas: &mut Value) {
    let mut parts = BTreeSet::new();
    collect_parts(schemas, &mut parts);
    for (name, schema) in schemas.as_object_mut().unwrap() {
        if !parts.contains(&format!("#/components/schemas/{name}")) {
            close(schema);
        }
    }
}

fn collect_parts(schema: &Value, parts: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for part in fields.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                parts.extend(part["$ref"].as_str().map(str::to_owned));
            }
            fields.values().for_each(|field| collect_parts(field, parts));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_parts(item, parts)),
        _ => {}
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) if fields.contains_key("allOf") => {}
        Value::Object(fields) => {
            let plain = fields.get("type") == Some(&json!("object"))
                && fields.contains_key("properties")
                && !fields.contains_key("additionalProperties");
            if plain {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[track_caller]
fn validate(validator: &Validator, what: &str, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|error| {
            let whole = error.to_string();
            format!("{}: {}", error.instance_path(), whole.chars().take(1500).collect::<String>())
        })
        .collect();
    assert!(errors.is_empty(), "{what}:\n{}", errors.join("\n"));
}

/// Every sort of message, beside what the generator makes.
fn enrich(world: &World, guild: discord_sim::GuildId) {
    let user = world.create_user("Extra");
    world.join(guild, user);
    let channel = world.create_channel(guild, NewChannel::text("extra").topic("all sorts").nsfw());
    let picture = |n| {
        NewAttachment::new(format!("p{n}.png"), Content::seeded(n, 50))
            .dimensions(4, 4)
            .title("päinting")
            .description("alt")
            .placeholder("3OcRJYB4d3h/iIeHeEh3eIhw+j2w")
            .flags(1 << 3)
    };
    let media =
        json!({ "id": "7", "url": "sim:0", "proxy_url": "sim:0", "attachment_id": "sim-id:0" });
    let voice = NewAttachment::new("voice-message.ogg", Content::seeded(9, 50))
        .duration(1.5)
        .waveform("AAAA");
    let original = world.post(channel, NewMessage::text("one").by(user).attach(picture(1)));
    for new in [
        NewMessage::text("a reply").reply_to(channel, original),
        NewMessage::default().forward_of(channel, original),
        NewMessage::text("<@1>").mention(user).webhook(),
        NewMessage::default().sticker(1, "wave", 1).sticker(2, "dance", 4),
        NewMessage::default().flags(1 << 13).attach(voice),
        NewMessage::text("rich").upload(picture(2)).embed(json!({
            "type": "rich",
            "title": "t",
            "description": "d",
            "color": 5,
            "image": { "url": "sim:0", "proxy_url": "sim:0", "width": 4, "height": 4 },
            "thumbnail": { "url": "https://example.com/t.png" },
            "author": { "name": "a", "icon_url": "https://example.com/a.png" },
            "footer": { "text": "f" },
            "fields": [{ "name": "n", "value": "v", "inline": true }],
        })),
        NewMessage::default()
            .upload(picture(3))
            .component(json!({ "type": 10, "id": 1, "content": "text" }))
            .component(json!({ "type": 17, "id": 2, "accent_color": null, "spoiler": false, "components": [
                { "type": 12, "id": 3, "items": [{ "media": media, "description": null, "spoiler": false }] },
                { "type": 13, "id": 4, "file": media, "name": "p3.png", "size": 50, "spoiler": false },
                { "type": 9, "id": 5, "components": [{ "type": 10, "id": 6, "content": "x" }],
                  "accessory": { "type": 11, "id": 7, "media": media, "description": "d", "spoiler": true } },
                { "type": 14, "id": 8, "divider": true, "spacing": 1 },
            ] })),
        NewMessage::default().poll(json!({
            "question": { "text": "Which?" },
            "answers": [{ "answer_id": 1, "poll_media": { "text": "This" } }],
            "expiry": null,
            "allow_multiselect": false,
            "layout_type": 1,
        })),
    ] {
        world.post(channel, new);
    }
    world.pin(channel, original);
    let thread = world.create_thread(channel, NewThread::public("aside").from_message(original));
    world.post(thread, NewMessage::text("in the thread"));
    world.create_channel(guild, NewChannel::new(Kind::Stage, "stage"));
    let own = Subject::Member(world.bot());
    world.set_permissions(channel, Overwrite { subject: own, allow: MANAGE_THREADS, deny: 0 });
    let private = world.create_thread(channel, NewThread::private("quiet").member(world.bot()));
    world.archive_thread(private);
}

/// One address or more for every route but refresh-urls.
fn addresses(world: &World, guild: discord_sim::GuildId) -> Vec<(&'static str, String)> {
    let user = world.messages(world.places()[1].id).first().map_or(world.bot(), |m| m.author);
    let mut asked = vec![
        ("get_gateway", "/gateway".to_owned()),
        ("get_bot_gateway", "/gateway/bot".to_owned()),
        ("get_my_user", "/users/@me".to_owned()),
        ("list_my_guilds", "/users/@me/guilds?with_counts=true&limit=10".to_owned()),
        ("get_my_application", "/applications/@me".to_owned()),
        ("get_my_oauth2_application", "/oauth2/applications/@me".to_owned()),
        ("get_guild", format!("/guilds/{guild}?with_counts=true")),
        ("get_guild", "/guilds/1".to_owned()),
        ("list_guild_channels", format!("/guilds/{guild}/channels")),
        ("list_guild_roles", format!("/guilds/{guild}/roles")),
        ("get_guild_member", format!("/guilds/{guild}/members/{user}")),
        ("get_guild_member", format!("/guilds/{guild}/members/1")),
        ("get_active_guild_threads", format!("/guilds/{guild}/threads/active")),
        ("guild_search", format!("/guilds/{guild}/messages/search?has=video&has=-image&limit=25")),
        (
            "guild_search",
            format!("/guilds/{guild}/messages/search?include_nsfw=true&sort_order=asc"),
        ),
    ];
    for place in world.places() {
        let id = place.id;
        asked.push(("get_channel", format!("/channels/{id}")));
        asked.push(("list_messages", format!("/channels/{id}/messages?limit=100")));
        asked.push(("list_pins", format!("/channels/{id}/messages/pins?limit=50")));
        for (name, rest) in [
            ("list_public_archived_threads", "threads/archived/public?limit=2"),
            ("list_private_archived_threads", "threads/archived/private"),
            ("list_my_private_archived_threads", "users/@me/threads/archived/private"),
            ("thread_search", "threads/search?sort_by=archive_time&archived=true"),
        ] {
            asked.push((name, format!("/channels/{id}/{rest}")));
        }
        if let Some(message) = world.messages(id).last() {
            asked.push(("get_message", format!("/channels/{id}/messages/{}", message.id)));
        }
    }
    asked
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let description = Description::read();
    let spec = Spec { messages: 300, channels: 8, forums: 2, ..Spec::default() };
    let (world, guild) = World::generate(21, &spec);
    enrich(&world, guild);
    let bot = Bot::new(&world).await;
    let (mut well, mut validators) = (BTreeSet::new(), BTreeMap::new());
    for (name, path) in addresses(&world, guild) {
        let (status, value) = bot.get(&path).await;
        let validator =
            validators.entry((name, status)).or_insert_with(|| description.answer(name, status));
        validate(validator, &format!("{name} {status} {path}"), &value);
        if status == 200 {
            well.insert(name);
        }
    }
    let known = routes().into_iter().map(|route| route.name).filter(|name| *name != "refresh_urls");
    assert_eq!(well, known.collect());

    bot.sim.search_not_ready(1, Duration::from_secs(2));
    let (status, value) = bot.get(&format!("/guilds/{guild}/messages/search")).await;
    assert_eq!(status, 202);
    validate(&description.answer("guild_search", 202), "search that is not ready", &value);

    let wait = Duration::from_millis(1_500);
    for scope in [Scope::User, Scope::Global, Scope::Shared] {
        bot.sim.heal();
        bot.sim.inject(Rule::nth(Target::Rest, 1, Fault::Limited(scope, wait)));
        let (status, value) = bot.get("/users/@me").await;
        validate(&description.answer("get_my_user", status), "429", &value);
    }
    bot.assert_polite();
}

#[tokio::test]
async fn refreshed_links_have_the_shape_that_bots_rely_on() {
    let description = Description::read();
    let schema = json!({
        "type": "object",
        "required": ["refreshed_urls"],
        "additionalProperties": false,
        "properties": { "refreshed_urls": { "type": "array", "items": {
            "type": "object",
            "required": ["original", "refreshed"],
            "additionalProperties": false,
            "properties": {
                "original": { "type": "string", "format": "uri" },
                "refreshed": { "type": ["string", "null"], "format": "uri" },
            },
        } } },
    });
    let bot = Bot::new(&World::new(1)).await;
    let link = format!("{}/attachments/1/2/a.mp4", bot.sim.cdn_url());
    let (status, value) = bot.refresh(&[&link, "https://example.com/"]).await;
    assert_eq!(status, 200);
    assert_eq!(value["refreshed_urls"].as_array().unwrap().len(), 1);
    validate(&description.compile(&schema), "refresh-urls", &value);
}

#[test]
fn every_route_and_query_key_is_described() {
    let description = Description::read();
    for route in routes() {
        if route.name == "refresh_urls" {
            continue;
        }
        let (path, method, operation) = description.operation(route.name);
        assert_eq!((path, method.to_uppercase().as_str()), (route.template, route.method));
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let described: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(route.query.iter().copied().collect::<BTreeSet<_>>(), described, "{path}");
    }
}

#[test]
fn a_wrong_answer_is_noticed() {
    let description = Description::read();
    let validator = description.answer("get_my_user", 200);
    assert!(!validator.is_valid(&json!({ "id": 5 })));
    let messages = description.answer("list_messages", 200);
    assert!(messages.is_valid(&json!([])));
    assert!(!messages.is_valid(&json!([{ "id": "1", "content": "incomplete" }])));
}
