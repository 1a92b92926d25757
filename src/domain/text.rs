//! Discord's markup made readable: `<@7>` becomes `@Wren`, `<:wave:9>` becomes `:wave:`.

use super::{
    id::{ChannelId, RoleId, UserId},
    time::Timestamp,
};

/// Something that a text points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    /// `<@id>` or `<@!id>`.
    User(UserId),
    /// `<@&id>`.
    Role(RoleId),
    /// `<#id>`.
    Channel(ChannelId),
}

/// Replaces what `name` can name, together with emoji and times; everything else stays as it was typed.
pub fn readable(text: &str, name: impl Fn(Mention) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let replaced = rest.find('>').and_then(|end| {
            let said = markup(&rest[1..end], &name)?;
            Some((said, end + 1))
        });
        let (said, taken) = replaced.unwrap_or_else(|| ("<".to_owned(), 1));
        out.push_str(&said);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

fn markup(inside: &str, name: &impl Fn(Mention) -> Option<String>) -> Option<String> {
    if let Some(id) = inside.strip_prefix("@&") {
        return name(Mention::Role(id.parse().ok()?)).map(|role| format!("@{role}"));
    }
    if let Some(id) = inside.strip_prefix('@') {
        let id = id.strip_prefix('!').unwrap_or(id);
        return name(Mention::User(id.parse().ok()?)).map(|user| format!("@{user}"));
    }
    if let Some(id) = inside.strip_prefix('#') {
        return name(Mention::Channel(id.parse().ok()?)).map(|channel| format!("#{channel}"));
    }
    if let Some(time) = inside.strip_prefix("t:") {
        let seconds: i64 = time.split(':').next()?.parse().ok()?;
        return Some(Timestamp::from_secs(seconds).to_string());
    }
    let emoji = inside.strip_prefix("a:").or_else(|| inside.strip_prefix(':'))?;
    let (emoji, id) = emoji.split_once(':')?;
    id.parse::<u64>().ok()?;
    Some(format!(":{emoji}:"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(mention: Mention) -> Option<String> {
        match mention {
            Mention::User(UserId(7)) => Some("Wren".into()),
            Mention::Role(RoleId(8)) => Some("owls".into()),
            Mention::Channel(ChannelId(9)) => Some("clips".into()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(readable(text, name), expected);
    }

    #[test]
    fn markup_becomes_words() {
        check("hi <@7>, <@!7> and <@&8> in <#9>", "hi @Wren, @Wren and @owls in #clips");
        check("<:wave:11><a:dance:12>", ":wave::dance:");
        check("at <t:0:R>", "at 1970-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_markup_stays() {
        for text in ["1 < 2 > 1", "<@6>", "<#", "<>", "<b>hi</b>", "<:x:>", "<@7", "a<b<@x>"] {
            check(text, text);
        }
        check("<<@7>>", "<@Wren>");
    }

    proptest! {
        #[test]
        fn text_without_markup_is_untouched(text in "[^<]*") {
            prop_assert_eq!(readable(&text, name), text);
        }

        #[test]
        fn no_text_breaks_it(text in "(<[@#:at!&]{0,3}[0-9]{0,3}>?|.){0,20}") {
            let _ = readable(&text, name);
        }
    }
}
