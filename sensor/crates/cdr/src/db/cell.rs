//! Values on their way to a database and back.

use super::{Error, Result};

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Cell {
    #[default]
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Cell {
    /// A text.
    pub(crate) fn as_str(&self) -> Result<&str> {
        self.as_str_or_null()?.ok_or(WRONG_TEXT)
    }

    /// A text, or nothing.
    pub(crate) fn as_str_or_null(&self) -> Result<Option<&str>> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| WRONG_TEXT),
            _ => Err(WRONG_TEXT),
        }
    }

    /// Bytes.
    pub(crate) fn as_blob(&self) -> Result<&[u8]> {
        match self {
            Self::Text(text) => Ok(text.as_bytes()),
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(Error::Type { at: 0, wanted: "bytes" }),
        }
    }
}

const WRONG_TEXT: Error = Error::Type { at: 0, wanted: "a text" };

/// What can be a parameter.
pub(crate) trait ToSql {
    fn cell(&self) -> Cell;
}

/// What can be read out of a column.
pub(crate) trait FromSql: Sized {
    fn of(cell: &Cell) -> Result<Self>;
}

impl<T: ToSql + ?Sized> ToSql for &T {
    fn cell(&self) -> Cell {
        (**self).cell()
    }
}

impl<T: ToSql + ?Sized> ToSql for Box<T> {
    fn cell(&self) -> Cell {
        (**self).cell()
    }
}

impl<T: ToSql> ToSql for Option<T> {
    fn cell(&self) -> Cell {
        self.as_ref().map_or(Cell::Null, ToSql::cell)
    }
}

impl<T: FromSql> FromSql for Option<T> {
    fn of(cell: &Cell) -> Result<Self> {
        if *cell == Cell::Null { Ok(None) } else { T::of(cell).map(Some) }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl ToSql for $type {
            fn cell(&self) -> Cell {
                Cell::Int(i64::from(*self))
            }
        }

        impl FromSql for $type {
            fn of(cell: &Cell) -> Result<Self> {
                let Cell::Int(number) = *cell else {
                    return Err(Error::Type { at: 0, wanted: stringify!($type) });
                };
                let wrong = |_| Error::Type { at: 0, wanted: stringify!($type) };
                Self::try_from(number).map_err(wrong)
            }
        }
    )*};
}

integers!(u8, u16, u32, i8, i16, i32, i64);

impl ToSql for bool {
    fn cell(&self) -> Cell {
        Cell::Int(i64::from(*self))
    }
}

impl FromSql for bool {
    fn of(cell: &Cell) -> Result<Self> {
        i64::of(cell).map(|number| number != 0)
    }
}

impl ToSql for f64 {
    fn cell(&self) -> Cell {
        // A database has no place for what is not a number.
        if self.is_finite() { Cell::Real(*self) } else { Cell::Null }
    }
}

impl ToSql for f32 {
    fn cell(&self) -> Cell {
        f64::from(*self).cell()
    }
}

impl FromSql for f64 {
    fn of(cell: &Cell) -> Result<Self> {
        let wrong = Error::Type { at: 0, wanted: "a number" };
        match cell {
            Cell::Int(number) => Ok(*number as Self),
            Cell::Real(number) => Ok(*number),
            // A decimal.
            Cell::Text(_) | Cell::Bytes(_) => cell.as_str()?.parse().map_err(|_| wrong),
            Cell::Null => Err(wrong),
        }
    }
}

impl FromSql for f32 {
    fn of(cell: &Cell) -> Result<Self> {
        f64::of(cell).map(|number| number as Self)
    }
}

impl ToSql for str {
    fn cell(&self) -> Cell {
        Cell::Text(self.to_owned())
    }
}

impl ToSql for String {
    fn cell(&self) -> Cell {
        Cell::Text(self.clone())
    }
}

impl FromSql for String {
    fn of(cell: &Cell) -> Result<Self> {
        cell.as_str().map(ToOwned::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_does_not_fit_is_refused() {
        assert_eq!(u8::of(&Cell::Int(255)).unwrap(), 255);
        assert!(u8::of(&Cell::Int(256)).is_err());
        assert!(u8::of(&Cell::Null).is_err());
        assert_eq!(Option::<u8>::of(&Cell::Null).unwrap(), None);
        assert!(String::of(&Cell::Bytes(vec![0xff])).is_err());
        assert_eq!(f32::of(&Cell::Bytes(b"12.500".to_vec())).unwrap(), 12.5);
        assert_eq!(f64::NAN.cell(), Cell::Null);
    }
}
