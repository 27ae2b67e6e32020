//! Single-letter options, as `getopt(3)` takes them apart.

/// One option with its value, or a word that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word<'a> {
    /// An option without a value.
    Flag(char),
    /// An option and its value, which may stand in the same word or the next.
    Value(char, &'a str),
    /// Not an option.
    Operand(&'a str),
    /// A letter that is no option.
    Unknown(char),
    /// The value is missing.
    Missing(char),
}

/// Takes words apart. `letters` lists the options as for `getopt`: a colon follows those with a value. Options may stand behind
/// operands; `--` ends them.
pub(crate) fn parse<'a>(args: &'a [String], letters: &str) -> Vec<Word<'a>> {
    let mut found = Vec::new();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            found.extend(words.map(|w| Word::Operand(w)));
            break;
        }
        let Some(cluster) = word.strip_prefix('-').filter(|c| !c.is_empty()) else {
            found.push(Word::Operand(word));
            continue;
        };
        for (at, letter) in cluster.char_indices() {
            let Some(place) = letters.find(letter).filter(|_| letter != ':') else {
                found.push(Word::Unknown(letter));
                continue;
            };
            if !letters[place + 1..].starts_with(':') {
                found.push(Word::Flag(letter));
                continue;
            }
            let rest = &cluster[at + letter.len_utf8()..];
            let value = if rest.is_empty() { words.next().map(String::as_str) } else { Some(rest) };
            found.push(value.map_or(Word::Missing(letter), |v| Word::Value(letter, v)));
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_values_and_operands() {
        let args: Vec<String> = ["-qc3", "host", "-W", "1", "-x", "-c"].map(str::to_owned).to_vec();
        assert_eq!(
            parse(&args, "qc:W:"),
            [
                Word::Flag('q'),
                Word::Value('c', "3"),
                Word::Operand("host"),
                Word::Value('W', "1"),
                Word::Unknown('x'),
                Word::Missing('c'),
            ]
        );
    }
}
