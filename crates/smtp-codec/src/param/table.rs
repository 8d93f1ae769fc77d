//! Tables of typed parameters: one row declares a variant and all that is known of it.

/// Declares the parameters of one verb as an enum, a row for each, so that nothing of a parameter
/// can be forgotten.
///
/// A row is the variant with names for its fields, `=`, the keyword, the extension that defines the
/// parameter, and, if the parameter has a value, its form: the function that reads the fields,
/// `=>`, and the arguments of `write!` that write them. Two parts are optional: `excludes` and the
/// variant that cannot stand beside this one, after the keyword; `=>` and how the value deviates
/// from the grammar, at the end.
macro_rules! params {
    (
        $(#[$enum_doc:meta])*
        pub enum $enum:ident;
        $(
            $(#[$doc:meta])*
            $name:ident
            $(($field:ident: $type:ty))?
            $({ $($(#[$part_doc:meta])* $part:ident: $part_type:ty,)+ })?
            = $keyword:literal $(excludes $excluded:ident)?, $extension:expr
            $(, $read:path => $format:literal $(, $argument:expr)* $(=> $deviations:expr)?)?;
        )+
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $enum<S = String> {
            $(
                $(#[$doc])*
                $name $(($type))? $({ $($(#[$part_doc])* $part: $part_type,)+ })?,
            )+
            /// A parameter that is not known here.
            Other(Param<S>),
        }

        impl $enum {
            /// Checks a parameter without keeping its typed form.
            pub(crate) fn check(param: Param<&str>) -> Result<Checked, Invalid> {
                Self::checked(param).map_err(|flaw| Invalid::new(Field::ParameterValue, flaw))
            }

            fn checked(param: Param<&str>) -> Result<Checked, Flaw> {
                let (keyword, value) = param.into_parts();
                let Some(row) = Row::of(keyword) else { return Ok(Checked::default()) };
                let (rows, param) = match row {
                    $(Row::$name => (
                        1 << Row::$name as u64 $(| 1 << Row::$excluded as u64)?,
                        $crate::param::table::read!(
                            $enum $name $(($field))? $({ $($part),+ })? $($read)?, value
                        )?,
                    ),)+
                };
                Ok(Checked { rows, deviations: param.deviations() })
            }
        }

        impl<'a> $enum<&'a str> {
            /// Returns the typed form of this parameter.
            ///
            /// # Errors
            /// Refuses a value that a known parameter cannot have.
            pub fn parse(param: Param<&'a str>) -> Result<Self, Invalid> {
                Self::known(param).map_err(|flaw| Invalid::new(Field::ParameterValue, flaw))
            }

            fn known(param: Param<&'a str>) -> Result<Self, Flaw> {
                let (keyword, value) = param.into_parts();
                let Some(row) = Row::of(keyword) else { return Ok(Self::Other(param)) };
                match row {
                    $(Row::$name => $crate::param::table::read!(
                        $enum $name $(($field))? $({ $($part),+ })? $($read)?, value
                    ),)+
                }
            }

            /// Returns how the value deviates from the grammar.
            #[allow(unused_variables, reason = "few values can deviate")]
            #[inline]
            fn deviations(&self) -> Deviations {
                match self {
                    $(Self::$name $(($field))? $({ $($part),+ })? => {
                        Deviations::empty() $($(| $deviations)?)?
                    })+
                    Self::Other(_) => Deviations::empty(),
                }
            }
        }

        /// The rows of the table.
        enum Row {
            $($name,)+
        }

        impl Row {
            #[inline]
            fn of(keyword: &str) -> Option<Self> {
                // Nearly every peer sends upper case, and an exact comparison takes less time.
                match keyword {
                    $($keyword => return Some(Self::$name),)+
                    _ => {}
                }
                $(if keyword.eq_ignore_ascii_case($keyword) {
                    return Some(Self::$name);
                })+
                None
            }
        }

        impl<S: AsRef<str>> $enum<S> {
            /// Returns the keyword, in upper case if the parameter is known here.
            pub fn keyword(&self) -> &str {
                match self {
                    $(Self::$name { .. } => $keyword,)+
                    Self::Other(param) => param.keyword(),
                }
            }

            /// Returns the extension that defines the parameter; `None` for
            /// [`Other`](Self::Other).
            #[allow(unused_variables, reason = "few extensions depend on the value")]
            pub fn extension(&self) -> Option<Extension> {
                Some(match self {
                    $(Self::$name $(($field))? $({ $($part),+ })? => $extension,)+
                    Self::Other(_) => return None,
                })
            }
        }

        impl<S: AsRef<str>> fmt::Display for $enum<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name $(($field))? $({ $($part),+ })? => {
                        f.write_str($keyword)?;
                        $(
                            f.write_str("=")?;
                            write!(f, $format $(, $argument)*)?;
                        )?
                        Ok(())
                    })+
                    Self::Other(param) => param.fmt(f),
                }
            }
        }
    };
}

/// Reads the value of one row: none, one field, or several fields that come as a tuple.
macro_rules! read {
    ($enum:ident $name:ident, $value:ident) => {
        if $value.is_none() { Ok($enum::$name) } else { Err(NO_VALUE) }
    };
    ($enum:ident $name:ident ($field:ident) $read:path, $value:ident) => {
        $value.ok_or(NO_VALUE).and_then($read).map($enum::$name)
    };
    ($enum:ident $name:ident { $($part:ident),+ } $read:path, $value:ident) => {
        $value.ok_or(NO_VALUE).and_then($read).map(|($($part),+)| $enum::$name { $($part),+ })
    };
}

pub(crate) use {params, read};
