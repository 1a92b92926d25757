//! The house rules of the page: small files that say what they are for, and nothing that turns text into markup or script.

use std::{fs, path::Path};

/// A file of more lines holds more than one thing.
const LONGEST_FILE: usize = 600;

/// What makes HTML or code out of text, and the addresses that do; elements.js makes nodes without any of it.
const MAKERS: [&str; 14] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "setHTML",
    "createContextualFragment",
    "parseFromString",
    "DOMParser",
    "document.write",
    "srcdoc",
    "eval(",
    "new Function",
    "setAttribute(\"on",
    "javascript:",
    "createPolicy",
];

/// What is wrong with a file of the page.
fn broken(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let start = match name.rsplit_once('.') {
        Some((_, "js")) => "// ",
        Some((_, "css")) => "/* ",
        _ => "",
    };
    if !text.starts_with(start) {
        complaints.push(format!("{name} opens with a comment that says what it is for"));
    }
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        complaints.push(format!("{name} has {lines} lines: split it"));
    }
    for (number, line) in text.lines().enumerate() {
        // The rules themselves may be named where they are explained.
        let code = line.trim_start();
        if code.starts_with("//") || code.starts_with('*') || code.starts_with("/*") {
            continue;
        }
        // One list in elements.js refuses such attributes by name.
        let refusal = name == "elements.js" && code.starts_with("const REFUSED");
        for maker in MAKERS.iter().filter(|maker| !refusal && line.contains(**maker)) {
            complaints.push(format!("{name}:{} uses {maker}", number + 1));
        }
        // Whatever is not the archive's own is asked of nobody; the one address is a name, not a place.
        let elsewhere = line.replace("http://www.w3.org/2000/svg", "");
        if elsewhere.contains("from \"http")
            || elsewhere.contains("url(http")
            || elsewhere.contains("fetch(\"http")
        {
            complaints.push(format!("{name}:{} loads from elsewhere", number + 1));
        }
    }
    complaints
}

#[test]
fn the_page_keeps_the_house_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/gallery");
    let mut folders = vec![root.clone()];
    let mut complaints = Vec::new();
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder was listed by its parent") {
            let path = entry.expect("the folder stays readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).expect("it was found below").to_string_lossy();
            complaints.extend(broken(&name, &fs::read_to_string(&path).expect("it is text")));
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} files were found");
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn text_that_would_become_markup_is_caught() {
    #[track_caller]
    fn check(name: &str, text: &str, complaint: &str) {
        let said = broken(name, text);
        assert!(said.iter().any(|one| one.contains(complaint)), "{name}: {said:?}");
    }
    check("tile.js", "// Tiles.\nnode.innerHTML = name;", "tile.js:2 uses innerHTML");
    check(
        "tile.js",
        "// Tiles.\nnew DOMParser().parseFromString(name, 'text/html');",
        "parseFromString",
    );
    check("tile.js", "const a = 1;", "opens with a comment");
    check("grid.css", "a { color: red }", "opens with a comment");
    check(
        "tile.js",
        "// Tiles.\nimport x from \"https://example.org/x.js\";",
        "loads from elsewhere",
    );
    check("tile.js", &format!("// Tiles.\n{}", "let a;\n".repeat(600)), "601 lines");
    assert_eq!(
        broken("tile.js", "// Never by innerHTML.\nfill(node, name);"),
        Vec::<String>::new()
    );
}
