//! Statements with their parameters, and the rows that answer them.

use super::{Cell, Connection, Error, FromSql, Result, ToSql};
use std::ops::ControlFlow;

/// Parameters of a statement, of whatever types.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &dyn $crate::db::ToSql),*] as &[&dyn $crate::db::ToSql]
    };
}
pub(crate) use params;

/// What can be all parameters of a statement.
pub(crate) trait Params {
    fn cells(&self) -> Vec<Cell>;
}

impl<T: ToSql, const N: usize> Params for [T; N] {
    fn cells(&self) -> Vec<Cell> {
        self.iter().map(ToSql::cell).collect()
    }
}

impl<T: ToSql> Params for &[T] {
    fn cells(&self) -> Vec<Cell> {
        self.iter().map(ToSql::cell).collect()
    }
}

/// A row of an answer.
pub(crate) struct Row<'r>(pub(super) &'r [Cell]);

impl<'r> Row<'r> {
    pub(crate) fn new(cells: &'r [Cell]) -> Self {
        Self(cells)
    }

    /// A column as it is.
    pub(crate) fn cell(&self, at: usize) -> Result<&Cell> {
        self.0.get(at).ok_or(Error::Type { at, wanted: "a column" })
    }

    /// A column's value.
    pub(crate) fn get<T: FromSql>(&self, at: usize) -> Result<T> {
        T::of(self.cell(at)?).map_err(|error| match error {
            Error::Type { wanted, .. } => Error::Type { at, wanted },
            error => error,
        })
    }
}

/// A statement. Its parameters stay from one run to the next.
#[derive(Debug)]
pub(crate) struct Statement<'c> {
    connection: &'c Connection,
    sql: Box<str>,
    cells: Vec<Cell>,
}

impl<'c> Statement<'c> {
    pub(super) fn new(connection: &'c Connection, sql: &str) -> Self {
        Self { connection, sql: sql.into(), cells: Vec::new() }
    }

    /// Sets the parameter `at`, the first being 1.
    pub(crate) fn bind(&mut self, at: usize, value: impl ToSql) {
        if self.cells.len() < at {
            self.cells.resize(at, Cell::Null);
        }
        if let Some(cell) = self.cells.get_mut(at - 1) {
            *cell = value.cell();
        }
    }

    /// Runs it with what is bound.
    pub(crate) fn run(&mut self) -> Result<()> {
        self.connection.engine().execute(&self.sql, &self.cells).map(|_| ())
    }

    /// Runs it.
    pub(crate) fn execute(&mut self, params: impl Params) -> Result<()> {
        self.cells = params.cells();
        self.run()
    }

    /// Inserts with what is bound, under this ID. False: it is taken.
    pub(crate) fn claim(&mut self, table: &'static str, id: u64) -> Result<bool> {
        self.bind(1, id as i64);
        self.connection.engine().claim(table, &self.sql, &self.cells)
    }

    /// Gives each row, until `each` breaks off.
    pub(crate) fn each(
        &self,
        params: impl Params,
        mut each: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        self.connection.engine().rows(&self.sql, &params.cells(), &mut each)
    }

    /// All rows; for answers that are short.
    pub(crate) fn all<T>(
        &self,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.each(params, |row| {
            all.push(read(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    /// The first row.
    pub(crate) fn query_row<T>(
        &self,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut found = None;
        self.each(params, |row| {
            found = Some(read(row)?);
            Ok(ControlFlow::Break(()))
        })?;
        found.ok_or(Error::NoRow)
    }
}

/// A row that need not be there.
pub(crate) trait OptionalExtension<T> {
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(row) => Ok(Some(row)),
            Err(Error::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
