//! The languages of the page: whose words are chosen, and that every file of them says the same.

use bowerbird::gallery::page::{self, PageMode};
use serde_json::json;

use super::archive::Archive;
use super::browser::{Browser, Screen, Shade};
use super::{SHOWN, served};

/// For each language file: its code, the keys that differ from English in their name or in their gaps, the plural
/// forms that its language does not have, and whether it is English that was forgotten there.
const COMPARED: &str = "(async (codes) => {
    const read = async (code) => (await import(`./gallery/languages/${code}.js`)).default;
    const gaps = (said) => [...new Set([...said.matchAll(/\\{\\w+\\}/g)].map(String))].sort().join();
    const english = await read('en');
    const wrong = [];
    for (const code of codes) {
        const words = await read(code);
        const keys = new Set([...Object.keys(english), ...Object.keys(words)]);
        const forms = new Intl.PluralRules(code).resolvedOptions().pluralCategories;
        for (const key of keys) {
            const [said, meant] = [words[key], english[key]];
            if (said === undefined || meant === undefined || typeof said !== typeof meant) {
                wrong.push(`${code}: ${key}`);
                continue;
            }
            const wanted = gaps(typeof meant === 'string' ? meant : meant.other);
            for (const [form, sentence] of Object.entries(typeof said === 'string' ? { other: said } : said)) {
                if (gaps(sentence) !== wanted) wrong.push(`${code}: ${key}.${form} has the gaps ${gaps(sentence)}, not ${wanted}`);
                if (!forms.includes(form)) wrong.push(`${code}: ${key} has a form ${form}, which the language lacks`);
                if (!sentence.trim()) wrong.push(`${code}: ${key} says nothing`);
            }
        }
        const same = Object.keys(words).filter((key) => JSON.stringify(words[key]) === JSON.stringify(english[key]));
        if (code !== 'en' && same.length > keys.size / 4) wrong.push(`${code}: still English: ${same}`);
    }
    return wrong;
})";

/// The codes of all files of words that the page carries.
fn codes() -> Vec<String> {
    page::objects(&PageMode::Copy, "Owls")
        .iter()
        .filter_map(|object| object.key.as_str().strip_prefix("gallery/languages/"))
        .map(|name| name.strip_suffix(".js").unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn every_language_says_everything() {
    let archive = Archive::new(1).await;
    let browser = Browser::start(Screen::Desk, Shade::Light).await;
    browser.open(&served(&archive).await).await;
    let codes = codes();
    assert!(codes.len() >= 6, "{codes:?}");
    assert_eq!(browser.value(&format!("{COMPARED}({})", json!(codes))).await, json!([]));
    // What index.html and the modules ask for is there, and nothing lies there unsaid.
    let english = "import('./gallery/languages/en.js').then((words) => Object.keys(words.default))";
    let keys: Vec<String> = serde_json::from_value(browser.value(english).await).unwrap();
    let mut sources = String::new();
    for object in page::objects(&PageMode::Copy, "Owls") {
        if !object.key.as_str().contains("/languages/") {
            sources.push_str(std::str::from_utf8(&object.bytes).unwrap());
        }
    }
    for attribute in ["data-say=\"", "data-name=\""] {
        for rest in sources.split(attribute).skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(keys.iter().any(|known| known == key), "index.html asks for {key}");
        }
    }
    let unsaid: Vec<_> =
        keys.iter().filter(|key| !sources.contains(&format!("\"{key}\""))).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
    browser.close(&[]).await;
}

#[tokio::test]
async fn the_reader_s_own_language_is_chosen() {
    let archive = Archive::new(30).await;
    let address = served(&archive).await;
    for (preferred, chosen, month, skip) in [
        ("de-AT,de,en", "de-AT", "März 2026", "Zur Galerie springen"),
        ("xx,es-MX", "es-MX", "marzo de 2026", "Ir a la galería"),
        ("fr", "fr", "mars 2026", "Aller à la galerie"),
        ("pt-BR", "pt-BR", "março de 2026", "Ir para a galeria"),
        ("ja", "ja", "2026年3月", "ギャラリーへ移動"),
        ("xx-XX", "en", "March 2026", "Skip to the gallery"),
    ] {
        let browser = Browser::speaking(preferred, Screen::Phone, Shade::Light).await;
        browser.open(&address).await;
        browser.until(&format!("{SHOWN}.length > 12")).await;
        let lang = browser.value("document.documentElement.lang").await;
        assert_eq!(lang, json!(chosen), "for {preferred}");
        let name = "document.querySelector('.month-name').textContent";
        assert_eq!(browser.value(name).await, json!(month));
        assert_eq!(browser.value("document.querySelector('#skip').textContent").await, json!(skip));
        // Nobody waits for words of a language that is not theirs.
        let code = chosen.split('-').next().unwrap();
        let loaded = "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.includes('languages/')).map((name) => name.replace(/.*\\//, ''))";
        assert_eq!(browser.value(loaded).await, json!([format!("{code}.js")]));
        for view in ["#/", "#/?channel=400"] {
            browser.open(&format!("{address}{view}")).await;
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.value(fits).await, json!(true), "{chosen} scrolls sideways");
        }
        browser.screenshot(&format!("phone-light-{chosen}")).await;
        browser.click("#open-about").await;
        browser.until("document.querySelector('#about[open]')").await;
        browser.screenshot(&format!("phone-light-{chosen}-about")).await;
        browser.close(&[]).await;
    }
}
