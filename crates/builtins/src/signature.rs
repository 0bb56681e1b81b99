//! Signatures of library functions as Python writes them, and arguments bound to them.

use numlift_types::{DType, Type};

/// What is known of an argument's value when compiling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    #[default]
    Unknown,
    Int(i64),
    Ints(Vec<i64>),
    Bool(bool),
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct Arg {
    pub name: Option<String>,
    pub ty: Type,
    pub value: Value,
    /// The dtype that it names, if it does.
    pub dtype: Option<DType>,
}

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: &'static str,
    pub required: bool,
    pub keyword_only: bool,
    /// `*args`
    pub variadic: bool,
}

/// The parameters of a signature (`"a, axis=None, *, dtype=None"`). A default does not contain a comma.
pub fn parameters(signature: &'static str) -> Vec<Param> {
    let mut out = vec![];
    let mut keyword_only = false;
    for text in signature.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        if text == "*" {
            keyword_only = true;
            continue;
        }
        let variadic = text.starts_with('*');
        let (name, default) = text.split_once('=').map_or((text, None), |(n, d)| (n, Some(d)));
        out.push(Param {
            name: name.trim_start_matches('*'),
            required: default.is_none() && !variadic,
            keyword_only,
            variadic,
        });
        keyword_only |= variadic;
    }
    out
}

/// Parameters that rules ask for whether a function has them or not.
const COMMON: &[&str] = &["axis", "axes", "dtype", "keepdims", "order", "out"];

/// Arguments by parameter.
#[derive(Clone, Debug)]
pub struct Bound<'a> {
    params: Vec<Param>,
    args: Vec<Option<&'a Arg>>,
    rest: Vec<&'a Arg>,
    /// The one of several that a rule is asked for, named `each`.
    each: Option<&'a Arg>,
}

impl<'a> Bound<'a> {
    /// `None` if the call does not fit the signature: it raises.
    pub fn new(signature: &'static str, args: &'a [Arg]) -> Option<Bound<'a>> {
        let params = parameters(signature);
        let mut bound = Bound {
            args: vec![None; params.len()],
            rest: vec![],
            each: None,
            params,
        };
        let mut next = 0;
        for a in args {
            let at = match &a.name {
                Some(name) => bound.params.iter().position(|p| p.name == name && !p.variadic)?,
                None => {
                    let p = bound.params.get(next).filter(|p| !p.keyword_only)?;
                    if p.variadic {
                        bound.rest.push(a);
                        continue;
                    }
                    next += 1;
                    next - 1
                }
            };
            if bound.args[at].replace(a).is_some() {
                return None;
            }
        }
        let missing = bound
            .params
            .iter()
            .zip(&bound.args)
            .any(|(p, a)| p.required && a.is_none());
        (!missing).then_some(bound)
    }

    /// The argument of a parameter, `None` too if it is None.
    pub fn get(&self, name: &str) -> Option<&'a Arg> {
        if name == "each" {
            return self.each;
        }
        let at = self.params.iter().position(|p| p.name == name);
        debug_assert!(at.is_some() || COMMON.contains(&name), "a rule names {name}");
        self.args[at?].filter(|a| a.ty != Type::None)
    }

    /// Whether None is given.
    pub fn is_none(&self, name: &str) -> bool {
        self.given().any(|(n, a)| n == name && a.ty == Type::None)
    }

    /// Arguments of a parameter: several if it is variadic.
    pub fn all(&self, name: &str) -> Vec<&'a Arg> {
        match self.params.iter().find(|p| p.name == name) {
            Some(p) if p.variadic => self.rest.clone(),
            _ => self.get(name).into_iter().collect(),
        }
    }

    /// The same with one argument in the place of all of a variadic parameter.
    pub fn with_each(&self, each: &'a Arg) -> Bound<'a> {
        Bound {
            each: Some(each),
            ..self.clone()
        }
    }

    /// Each argument with its parameter.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &'a Arg)> + '_ {
        let named = self.params.iter().zip(&self.args);
        let named = named.filter_map(|(p, a)| a.map(|a| (p.name, a)));
        let variadic = self.params.iter().find(|p| p.variadic).map_or("", |p| p.name);
        named.chain(self.rest.iter().map(move |a| (variadic, *a)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(name: Option<&str>, ty: Type) -> Arg {
        Arg {
            name: name.map(str::to_owned),
            ty,
            value: Value::Unknown,
            dtype: None,
        }
    }

    #[test]
    fn arguments_are_bound_as_python_does() {
        const SIGNATURE: &str = "a, axis=None, *, dtype=None";
        let args = [arg(None, Type::INT), arg(Some("dtype"), Type::FLOAT)];
        let bound = Bound::new(SIGNATURE, &args).expect("it fits");
        assert_eq!(bound.get("dtype").map(|a| &a.ty), Some(&Type::FLOAT));
        assert!(bound.get("axis").is_none());
        for wrong in [
            vec![],
            vec![arg(None, Type::INT), arg(Some("a"), Type::INT)],
            vec![arg(None, Type::INT), arg(Some("order"), Type::INT)],
            vec![arg(None, Type::INT), arg(None, Type::INT), arg(None, Type::INT)],
        ] {
            assert!(Bound::new(SIGNATURE, &wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn variadic_parameters_take_the_rest() {
        let args = [
            arg(None, Type::INT),
            arg(None, Type::FLOAT),
            arg(Some("k"), Type::INT),
        ];
        let bound = Bound::new("*arrays, k=0", &args).expect("it fits");
        assert_eq!(bound.all("arrays").len(), 2);
        assert!(bound.get("k").is_some());
    }
}
