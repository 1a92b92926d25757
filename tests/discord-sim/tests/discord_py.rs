//! discord.py, which knows the real Discord, must accept the simulated one.

#[cfg(test)]
mod judge {
    use std::{
        env,
        path::{Path, PathBuf},
        process::Command,
    };

    /// The Python that has the judges' packages: the one named, or the one that `make test` makes.
    fn python(workspace: &Path) -> PathBuf {
        let named = env::var_os("BOWERBIRD_PYTHON").map(PathBuf::from);
        let python = named.unwrap_or_else(|| workspace.join("target/python/bin/python"));
        assert!(
            python.exists(),
            "{} does not exist: run `make test`, which installs tests/judges/*/requirements.txt there",
            python.display()
        );
        python
    }

    #[test]
    fn discord_py_accepts_the_simulator() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let judge = workspace.join("tests/judges/discord_py/judge.py");
        let output = Command::new(python(&workspace))
            .arg(judge)
            .arg(env!("CARGO_BIN_EXE_discord-sim"))
            .output()
            .unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}\n{complained}");
        let last = said.lines().last().unwrap();
        assert!(last.ends_with(" passed, 0 failed"), "{last}");
        println!("discord.py: {last}");
    }
}
