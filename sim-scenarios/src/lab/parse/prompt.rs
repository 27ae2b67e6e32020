//! Prompts: who is asked.

/// Who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// `$ `: the workstation.
    Workstation,
    /// `[user@host dir]# ` or `user@host:dir$ `: the machine of that name.
    Machine(String),
    /// `/ # `: the shell that was opened last.
    Inner,
    /// `# `: the same, if its prompt looks like that.
    Hash,
}

/// Splits a line into its prompt and what is typed after it. `# ` needs an open shell, which only the caller knows.
#[must_use]
pub fn split_prompt(line: &str) -> Option<(Prompt, &str)> {
    workstation(line)
        .or_else(|| bracketed(line))
        .or_else(|| user_at_host(line))
        .or_else(|| folder(line))
        .or_else(|| hash(line))
}

fn workstation(line: &str) -> Option<(Prompt, &str)> {
    after_sign(line, "$").map(|rest| (Prompt::Workstation, rest))
}

fn hash(line: &str) -> Option<(Prompt, &str)> {
    after_sign(line, "#").map(|rest| (Prompt::Hash, rest))
}

/// `[root@node1 ~]# `
fn bracketed(line: &str) -> Option<(Prompt, &str)> {
    let (inside, rest) = line.strip_prefix('[')?.split_once(']')?;
    // radial/busyboxplus writes `[ root@curl:/ ]$ `.
    let padded = inside.strip_prefix(' ').and_then(|i| i.strip_suffix(' ')).and_then(|i| i.split_once(':'));
    let (who, _dir) = padded.or_else(|| inside.split_once(' '))?;
    let host = host_of(who)?;
    let rest = after_sign(rest, "#").or_else(|| after_sign(rest, "$"))?;
    Some((Prompt::Machine(host), rest))
}

/// `root@node1:~# `
fn user_at_host(line: &str) -> Option<(Prompt, &str)> {
    let (who, rest) = line.split_once(':')?;
    let host = host_of(who)?;
    let sign = rest.find(['#', '$'])?;
    let (dir, rest) = rest.split_at(sign);
    if dir.contains(' ') || dir.is_empty() {
        return None;
    }
    let rest = after_sign(rest, "#").or_else(|| after_sign(rest, "$"))?;
    Some((Prompt::Machine(host), rest))
}

/// `/ # `, `~ # `, `/etc # ` of busybox; `bash-5.2# ` of a bash without a profile.
fn folder(line: &str) -> Option<(Prompt, &str)> {
    let bash = line.strip_prefix("bash-").or_else(|| line.strip_prefix("sh-"));
    let rest = if let Some(version) = bash {
        version.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
    } else {
        let dir = line.split(' ').next().filter(|d| d.starts_with(['/', '~']))?;
        line[dir.len()..].strip_prefix(' ')?
    };
    let rest = after_sign(rest, "#").or_else(|| after_sign(rest, "$"))?;
    Some((Prompt::Inner, rest))
}

/// What stands after the sign and its blank; editors strip the blank of an empty command.
fn after_sign<'a>(text: &'a str, sign: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(sign)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ') }
}

fn host_of(who: &str) -> Option<String> {
    let (user, host) = who.split_once('@')?;
    let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    (word(user) && word(host)).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_name_who_is_asked() {
        let machine = |name: &str| Prompt::Machine(name.to_owned());
        let cases = [
            ("$ kubectl get po", Some((Prompt::Workstation, "kubectl get po"))),
            ("$", Some((Prompt::Workstation, ""))),
            ("[root@node1 ~]# ip route", Some((machine("node1"), "ip route"))),
            ("[me@k8s-master work dir]$ ls", Some((machine("k8s-master"), "ls"))),
            ("[ root@curl:/ ]$ nslookup my-nginx", Some((machine("curl"), "nslookup my-nginx"))),
            ("root@pod-a:/# id", Some((machine("pod-a"), "id"))),
            ("me@node01.example.com:~/labs$ ls", Some((machine("node01.example.com"), "ls"))),
            ("/ # ls", Some((Prompt::Inner, "ls"))),
            ("/etc $ ls", Some((Prompt::Inner, "ls"))),
            ("~ # ls", Some((Prompt::Inner, "ls"))),
            ("bash-5.2# ls", Some((Prompt::Inner, "ls"))),
            ("# ls", Some((Prompt::Hash, "ls"))),
            ("$HOME is set", None),
            ("#comment", None),
            ("[error] a@b: something# here", None),
            ("me@host: permission denied $ 5", None),
            ("bashful", None),
            ("/usr/bin/env # no", Some((Prompt::Inner, "no"))),
        ];
        for (line, want) in cases {
            assert_eq!(split_prompt(line), want, "{line}");
        }
    }
}
